// The way in: devices, names, refusals, keys.

import { expect, type Page, test } from "@playwright/test";
import { Hall } from "../support/hall";
import { PATIENCE } from "../support/visitor";

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

async function refuseDevices(page: Page, name: string): Promise<void> {
  await page.addInitScript((error) => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("refused", error));
  }, name);
}

test("one sees oneself, chooses a name, and joins with the keyboard alone", async ({ page }) => {
  await page.goto(`${hall.url}/?room=lobby`);
  await expect(page.getByRole("region", { name: "Preview" }).locator("video")).toBeVisible();
  await expect(page.getByRole("meter", { name: "Microphone level" })).not.toHaveAttribute(
    "aria-valuenow",
    "0",
  );
  await expect(page.getByLabel("Microphone", { exact: true })).toBeVisible();
  await expect(page.getByLabel("Camera", { exact: true })).toBeVisible();
  await page.getByLabel("Your name").focus();
  await page.keyboard.type("Ada Lovelace");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Meeting lobby" })).toBeVisible(PATIENCE);
  await expect(page.getByRole("article", { name: "Ada Lovelace (you)" })).toBeVisible(PATIENCE);
  await expect(page.getByRole("heading", { name: "You are the first one here" })).toBeVisible(PATIENCE);
  await page.keyboard.press("m");
  await expect(page.getByRole("button", { name: "Unmute microphone" })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.getByRole("button", { name: "Leave the meeting" }).click();
  await page.reload();
  await expect(page.getByLabel("Your name")).toHaveValue("Ada Lovelace");
});

test("devices can be off before the meeting begins", async ({ page }) => {
  await page.goto(`${hall.url}/?room=quiet&name=Ada`);
  const camera = page.getByRole("button", { name: "Your camera" });
  const mic = page.getByRole("button", { name: "Your microphone" });
  await expect(camera).toHaveAttribute("aria-pressed", "true");
  await expect(mic).toHaveAttribute("aria-pressed", "true");
  await camera.click();
  await mic.click();
  await expect(page.getByText("Your camera is off")).toBeVisible();
  await page.getByRole("button", { name: "Join" }).click();
  const tile = page.getByRole("article", { name: "Ada (you), muted, no picture" });
  await expect(tile).toBeVisible(PATIENCE);
});

test("a refused permission is explained, and does not keep anybody out", async ({ page }) => {
  await refuseDevices(page, "NotAllowedError");
  await page.goto(`${hall.url}/?room=refused&name=Ada`);
  await expect(page.getByRole("alert").filter({ hasText: "No permission to use the camera" })).toBeVisible();
  await expect(
    page.getByRole("alert").filter({ hasText: "No permission to use the microphone" }),
  ).toBeVisible();
  await page.getByRole("button", { name: "Join" }).click();
  await expect(page.getByRole("heading", { name: "You are the first one here" })).toBeVisible(PATIENCE);
});

test("missing devices are explained", async ({ page }) => {
  await refuseDevices(page, "NotFoundError");
  await page.goto(`${hall.url}/?room=missing&name=Ada`);
  await expect(page.getByRole("alert").filter({ hasText: "No camera found" })).toBeVisible();
  await expect(page.getByRole("alert").filter({ hasText: "No microphone found" })).toBeVisible();
});

test("nothing is loaded from anywhere else", async ({ page }) => {
  const foreign: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(hall.url)) foreign.push(request.url());
  });
  await page.goto(`${hall.url}/?room=own`);
  await expect(page.getByRole("button", { name: "Join" })).toBeVisible();
  await page.waitForFunction(() => document.fonts.status === "loaded");
  expect(foreign.filter((url) => !url.startsWith("blob:") && !url.startsWith("data:"))).toEqual([]);
});
