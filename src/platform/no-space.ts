/**
 * Tells an error that says "the disk is full" from one that says "the disk is broken": the first
 * ends by itself when somebody deletes something. Thread: any.
 */

import { constants } from "node:os";

const { errno } = constants;
/** A full disk, a used-up quota. A file as large as it may get is neither: it stays so. */
const NO_SPACE_NAMES = ["ENOSPC", "EDQUOT"] as const;
const NO_SPACE_NUMBERS: readonly number[] = NO_SPACE_NAMES.map((name) => errno[name]);

/** Node names the cause in `code`, native modules number it there. */
export function isNoSpace(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  const names: readonly unknown[] = NO_SPACE_NAMES;
  return names.includes(code) || (typeof code === "number" && NO_SPACE_NUMBERS.includes(code));
}
