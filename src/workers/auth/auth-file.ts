/**
 * What the three credential and rule files have in common: reading text, walking its lines, and
 * errors that name file, line, problem and remedy. A file is taken into use whole or not at all, so
 * the first error ends its reading. Thread: worker, at start and on reload.
 */

import { readFileSync } from "node:fs";

/** A file of the operator that cannot be used. The message is complete as it stands. */
export class AuthFileError extends Error {
  override readonly name = "AuthFileError";
  readonly file: string;
  /** 1-based; 0 when the file as a whole is meant. */
  readonly line: number;

  constructor(file: string, line: number, problem: string, remedy: string) {
    super(`${line > 0 ? `${file}:${line}` : file}: ${problem}; ${remedy}`);
    this.file = file;
    this.line = line;
  }
}

/** One line that means something: not empty, no comment. */
export interface FileLine {
  /** Without line end and surrounding blanks. */
  readonly text: string;
  /** 1-based. */
  readonly number: number;
}

/**
 * Reads a whole file as UTF-8; a byte order mark is dropped. Synchronous on purpose: parsing blocks
 * as long as reading does, and a reload without a pause in the middle is atomic for every
 * connection of the worker.
 */
export function readAuthFile(path: string, purpose: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new AuthFileError(path, 0, cause, `make the ${purpose} readable for the broker`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new AuthFileError(path, 0, "the file is not UTF-8", `save the ${purpose} as UTF-8`);
  }
}

/**
 * Lines that are neither empty nor a comment. `#` starts a comment only as the first character, as
 * in mosquitto.
 */
export function significantLines(text: string): FileLine[] {
  const lines: FileLine[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed !== "" && !trimmed.startsWith("#"))
      lines.push({ text: trimmed, number: index + 1 });
  }
  return lines;
}
