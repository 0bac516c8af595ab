/**
 * What the small programs of this folder share: `--help`, and options that mean nothing refused
 * before anything runs, with exit code 64 and the usage text.
 */

import { existsSync } from "node:fs";
import { parseArgs } from "node:util";

const USAGE_EXIT_CODE = 64;
export const DURABILITIES = ["fsync", "os"] as const;
export const LOG_KINDS = ["segments", "lmdb"] as const;

/**
 * What `read` makes of the arguments. Ends the process when they ask for help, and when `read`
 * throws: whatever it says is for whoever typed them.
 */
export function commandLine<Options>(usage: string, read: () => Options): Options {
  if (process.argv.slice(2).includes("--help")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return read();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(USAGE_EXIT_CODE);
  }
}

/** `text` as a whole number from `lowest` to `highest`; throws when it is none. */
export function wholeNumber(
  option: string,
  text: string,
  lowest: number,
  highest = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= lowest && value <= highest) return value;
  const range = highest === Number.MAX_SAFE_INTEGER ? `${lowest} or more` : `${lowest}-${highest}`;
  throw new Error(`--${option} ${text}: a whole number, ${range}`);
}

/** `text` as a number above 0, such as a number of minutes; throws when it is none. */
export function positiveNumber(option: string, text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0) return value;
  throw new Error(`--${option} ${text}: a number above 0`);
}

/** A count with k for thousands or m for millions behind it, as in 100k; throws when it is none. */
export function shortCount(option: string, text: string): number {
  const match = /^(\d+)([km]?)$/i.exec(text);
  if (match === null) throw new Error(`--${option} ${text}: a whole number, or as 100k or 1m`);
  const scale = { k: 1e3, m: 1e6 }[match[2]!.toLowerCase()] ?? 1;
  return Number(match[1]) * scale;
}

/** `text` if it is one of `choices`; throws otherwise. */
export function oneOf<Choice extends string>(
  option: string,
  text: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((one) => one === text);
  if (choice === undefined) throw new Error(`--${option} ${text}: one of ${choices.join(", ")}`);
  return choice;
}

/** Arguments that are paths of something, at least one, and no options. */
export function readPaths(): readonly string[] {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length === 0) throw new Error("which folder?");
  const missing = positionals.find((path) => !existsSync(path));
  if (missing !== undefined) throw new Error(`${missing}: no such file or folder`);
  return positionals;
}
