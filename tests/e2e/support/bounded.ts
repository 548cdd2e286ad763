// Waiting for what has to happen within a time that somebody promised.

import { expect, type TestInfo } from "@playwright/test";

// Added to every such time: the machine has two cores, and encoders, decoders, the node and the test share them.
export const SLACK_MS = 5_000;

// How exactly a moment is found.
const LOOK_EVERY_MS = 100;

// Waits until `look` is as `wanted` says, at most for the promised time with slack, and notes how long it took.
export async function within<T>(
  info: TestInfo,
  what: string,
  promisedMs: number,
  look: () => Promise<T>,
  wanted: (value: T) => boolean,
): Promise<T> {
  const start = performance.now();
  let value: T | undefined;
  const met = async (): Promise<string> => {
    value = await look();
    return wanted(value) ? "as wanted" : JSON.stringify(value);
  };
  await expect
    .poll(met, { timeout: promisedMs + SLACK_MS, intervals: [LOOK_EVERY_MS], message: what })
    .toBe("as wanted");
  note(info, what, `${Math.round(performance.now() - start)} ms`);
  return value as T;
}

// A figure to be read by people, in the report and on the screen.
export function note(info: TestInfo, what: string, figure: string): void {
  info.annotations.push({ type: what, description: figure });
  process.stdout.write(`      ${what}: ${figure}\n`);
}
