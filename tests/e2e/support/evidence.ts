// What is kept of a test that fails, in its folder of test results.

import { writeFile } from "node:fs/promises";
import type { TestInfo } from "@playwright/test";
import { Visitor } from "./visitor";

// A page that does not answer is evidence, too.
const ANSWER_MS = 5_000;

// For afterEach: the node's log, and what every open page knows of what it sends and receives.
export async function keepEvidence(info: TestInfo, hall: { log: string } | undefined): Promise<void> {
  if (info.status === info.expectedStatus) return;
  const keep = async (name: string, body: string): Promise<void> => {
    const path = info.outputPath(name);
    await writeFile(path, body);
    await info.attach(name, { path, contentType: "text/plain" });
  };
  await keep("node.log", hall?.log ?? "no node");
  for (const visitor of Visitor.present) await keep(`${visitor.peer}.json`, await known(visitor));
}

async function known(visitor: Visitor): Promise<string> {
  const late = new Promise<string>((resolve) => setTimeout(resolve, ANSWER_MS, "no answer"));
  const answer = await Promise.race([visitor.known().catch(String), late]);
  return JSON.stringify(answer, null, 1);
}
