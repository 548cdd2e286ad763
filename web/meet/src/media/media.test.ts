import { describe, expect, it } from "vitest";
import { meter } from "./level";
import { deviceProblem } from "./problems";

function named(name: string, message = ""): Error {
  return Object.assign(new Error(message), { name });
}

describe("meter", () => {
  it("goes from silence to full", () => {
    expect(meter(0)).toBe(0);
    expect(meter(1)).toBe(1);
    expect(meter(0.05)).toBeGreaterThan(meter(0.01));
  });
});

describe("device problems", () => {
  it("are told in words for people", () => {
    expect(deviceProblem("camera", named("NotAllowedError"))?.title).toBe("No permission to use the camera");
    expect(deviceProblem("mic", named("NotFoundError"))?.title).toBe("No microphone found");
    expect(deviceProblem("mic", named("NotReadableError"))?.title).toBe("The microphone is busy");
    expect(deviceProblem("mic", named("InsecureContextError"))?.hint).toContain("https");
    expect(deviceProblem("camera", named("Error", "odd"))?.hint).toBe("odd");
    expect(deviceProblem("camera", "odd")?.hint).not.toBe("");
  });

  it("say nothing to whom closed the screen picker", () => {
    expect(deviceProblem("screen", named("NotAllowedError"))).toBeUndefined();
  });
});
