/**
 * Judges a folder of Jepsen logs that comes with the expected verdicts: every `expected.json` below
 * it names logs beside it and says whether each is linearizable.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseJepsenLog } from "./jepsen-log.ts";
import { verdictOf } from "./register.ts";

const EXPECTED = "expected.json";

export interface Judged {
  readonly path: string;
  readonly expected: boolean;
  readonly verdict: string;
  readonly agrees: boolean;
}

export function judgeFolder(folder: string): Judged[] {
  const judged: Judged[] = [];
  const list = join(folder, EXPECTED);
  if (existsSync(list)) {
    const verdicts = JSON.parse(readFileSync(list, "utf8")) as Record<string, boolean>;
    for (const [name, expected] of Object.entries(verdicts)) {
      judged.push(judge(join(folder, name), expected));
    }
  }
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) judged.push(...judgeFolder(join(folder, entry.name)));
  }
  return judged;
}

function judge(path: string, expected: boolean): Judged {
  const verdict = verdictOf(parseJepsenLog(readFileSync(path, "utf8")));
  const agrees = verdict === (expected ? "linearizable" : "violated");
  return { path, expected, verdict, agrees };
}
