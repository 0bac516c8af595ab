/**
 * Runs the programs of bench/micro one after the other, each in a process of its own, and keeps
 * what they print.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { SpawnedProcess } from "../../test/helpers/child-process.ts";
import { describeEnvironment } from "../environment.ts";
import { UsageError } from "./options.ts";

export const MICRO_NAMES = [
  "codec",
  "trie",
  "match-index",
  "ring",
  "output-buffer",
  "inbox",
] as const;

/**
 * Those whose name holds one of `words`, all without any. Resolves with false when one of them
 * failed. `json`: a file for the lines of each, "" = none.
 */
export async function runMicro(words: readonly string[], json: string): Promise<boolean> {
  const isWanted = (name: string) =>
    words.length === 0 || words.some((word) => name.includes(word));
  const names = MICRO_NAMES.filter(isWanted);
  if (names.length === 0) throw new UsageError(`micro: one of ${MICRO_NAMES.join(", ")}`);
  const outputs: Record<string, string[]> = {};
  let isFine = true;
  for (const name of names) {
    console.log(`\n${name}`);
    const lines: string[] = [];
    const file = fileURLToPath(new URL(`../micro/${name}.js`, import.meta.url));
    const child = new SpawnedProcess(process.execPath, ["--expose-gc", file]);
    child.onLine = (line) => {
      lines.push(line);
      console.log(`  ${line}`);
    };
    const { code } = await child.exited;
    outputs[name] = lines;
    if (code !== 0) isFine = false;
  }
  if (json !== "") {
    mkdirSync(dirname(json), { recursive: true });
    const environment = describeEnvironment();
    writeFileSync(json, `${JSON.stringify({ environment, outputs }, null, 1)}\n`);
  }
  return isFine;
}
