import { describe, expect, it } from "vitest";
import { Route } from "./route.js";

function route(given: string[], online = true): Route {
  return new Route({ given, online: () => online });
}

describe("Route", () => {
  it("goes where a node sends it, a bounded number of times", () => {
    const one = route(["a"]);
    expect(one.target).toEqual({ url: "a", redirects: 3 });
    for (const to of ["b", "c", "d"]) expect(one.redirected(to)).toBe(true);
    expect(one.target).toEqual({ url: "d", redirects: 0 });
    expect(one.redirected("e")).toBe(false);
    expect(one.target.url).toBe("d");
    one.welcomed([]);
    expect(one.target).toEqual({ url: "d", redirects: 3 });
  });

  it("does not let itself be sent on any more when nobody was where it was sent to", () => {
    const one = route(["a"]);
    one.redirected("b");
    expect(one.unanswered(false)).toBe(true);
    expect(one.target).toEqual({ url: "a", redirects: 0 });
    one.welcomed([]);
    expect(one.target.redirects).toBe(3);
  });

  it("stays with the node that has the session, until that has not answered twice", () => {
    const one = route(["a", "b", "c"]);
    one.welcomed([]);
    expect(one.unanswered(true)).toBe(false);
    expect(one.home.url).toBe("a");
    expect(one.unanswered(true)).toBe(true);
    expect(one.target.url).toBe("b");
    // That one does not answer either: the next attempt is to resume.
    expect(one.unanswered(true)).toBe(false);
    expect(one.home.url).toBe("a");
    expect(one.unanswered(true)).toBe(true);
    expect(one.target.url).toBe("c");
    one.answered();
    expect(one.target.url).toBe("a");
    expect(one.unanswered(true)).toBe(false);
  });

  it("tries all that it knows when there is no session, one after the other", () => {
    const one = route(["a", "b"]);
    one.welcomed(["b", "c"]);
    const tried = [0, 1, 2, 3].map(() => {
      one.unanswered(false);
      return one.target.url;
    });
    expect(tried).toEqual(["b", "c", "a", "b"]);
  });

  it("has nowhere else to go with a single node, and without a network looks for nothing", () => {
    const alone = route(["a"]);
    alone.welcomed([]);
    for (let n = 0; n < 4; n += 1) expect(alone.unanswered(true)).toBe(false);
    const offline = route(["a", "b"], false);
    offline.welcomed([]);
    for (let n = 0; n < 4; n += 1) expect(offline.unanswered(true)).toBe(false);
    expect(offline.home.url).toBe("a");
  });
});
