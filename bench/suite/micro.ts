/**
 * Runs the programs of bench/micro one after the other, each in a process of its own, and keeps
 * what they print.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SpawnedProcess } from "../../test/helpers/child-process.ts";
import { describeEnvironment } from "../environment.ts";
import { UsageError } from "./options.ts";
import { assertWritable } from "./preflight.ts";

const MICRO_NAMES = ["codec", "trie", "match-index", "ring", "output-buffer", "inbox"] as const;

const USAGE = `npm run bench -- NAME..., or npm run bench:micro -- [NAME...] [--json FILE]

Those of ${MICRO_NAMES.join(", ")} whose name holds one of the words; all without any.`;

/** Whether a command line begins as one of these. */
export function isMicro(first: string | undefined): boolean {
  return first === "micro" || MICRO_NAMES.some((name) => name === first);
}

/** "micro codec trie --json FILE", or "codec". Resolves with the exit code. */
export async function mainOfMicro(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseMicro(args);
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const words = positionals.filter((word) => word !== "micro");
  const strange = words.find((word) => !MICRO_NAMES.some((name) => name.includes(word)));
  if (strange !== undefined) {
    throw new UsageError(`"${strange}": one of ${MICRO_NAMES.join(", ")}`);
  }
  if (values.json !== "") assertWritable(values.json);
  return (await runMicro(words, values.json)) ? 0 : 1;
}

function parseMicro(args: readonly string[]) {
  try {
    const options = {
      json: { type: "string", default: "" },
      help: { type: "boolean", default: false },
    } as const;
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new UsageError(`micro takes --json FILE and nothing else: ${text}`);
  }
}

/**
 * Those whose name holds one of `words`, all without any. Resolves with false when one of them
 * failed. `json`: a file for the lines of each, "" = none.
 */
async function runMicro(words: readonly string[], json: string): Promise<boolean> {
  const isWanted = (name: string) =>
    words.length === 0 || words.some((word) => name.includes(word));
  const names = MICRO_NAMES.filter(isWanted);
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
