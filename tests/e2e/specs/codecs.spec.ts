// Each video codec once, forced by both sides.

import { expect, test } from "@playwright/test";
import { keepEvidence } from "../support/evidence";
import { Hall } from "../support/hall";
import { PATIENCE, Visitor } from "../support/visitor";

let hall: Hall;

test.beforeAll(async () => {
  hall = await Hall.open();
});

test.afterAll(() => hall?.stop());

test.afterEach(({ browserName: _ }, info) => keepEvidence(info, hall));

for (const codec of ["VP8", "VP9", "H264", "AV1"]) {
  test(`${codec} is sent and shown`, async ({ browser }) => {
    const params = { codec: codec.toLowerCase() };
    const room = `codec-${codec.toLowerCase()}`;
    const one = await Visitor.arrive(browser, hall, { room, peer: "peer1", params });
    const two = await Visitor.arrive(browser, hall, { room, peer: "peer2", params });
    await one.sees("peer2");
    await two.sees("peer1");
    const { recv } = await two.reports();
    const inbound = recv.find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
    const used = recv.find(({ id }) => id === inbound?.codecId);
    expect(used?.mimeType).toBe(`video/${codec}`);
    const frames = await two.framesDecoded("peer1");
    await expect.poll(() => two.framesDecoded("peer1"), PATIENCE).toBeGreaterThan(frames + 30);
    await one.close();
    await two.close();
  });
}
