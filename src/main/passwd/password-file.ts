/**
 * Changes a password file: one `USER:...` line per user, `#` comments and everything else kept as
 * they are. The file is replaced in one step and readable by its owner only: a broker that reloads
 * meanwhile sees the old or the new one.
 */

import { chownSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const OWNER_ONLY = 0o600;

/** Null: there is no such file. Throws on any other trouble. */
export function readPasswordFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

export function replacePasswordFile(path: string, text: string): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    // "wx": never through a link or into a file that somebody else put there.
    writeFileSync(temporary, text, { mode: OWNER_ONLY, flag: "wx", flush: true });
    keepOwner(path, temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Root may edit the file of the broker's own user, which must still be able to read it. */
function keepOwner(path: string, temporary: string): void {
  const before = statSync(path, { throwIfNoEntry: false });
  const after = statSync(temporary);
  if (before === undefined || (before.uid === after.uid && before.gid === after.gid)) return;
  chownSync(temporary, before.uid, before.gid);
}

/** The text with `line` for `user`: in place of the user's line, else at the end. */
export function setUser(text: string, user: string, line: string): string {
  const lines = splitLines(text);
  const index = findUser(lines, user);
  if (index < 0) lines.push(line);
  else lines[index] = line;
  return `${lines.join("\n")}\n`;
}

/** The text without the user's line, or null when there is none. */
export function removeUser(text: string, user: string): string | null {
  const lines = splitLines(text);
  const index = findUser(lines, user);
  if (index < 0) return null;
  lines.splice(index, 1);
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** What is wrong with a user name, or null. */
export function userNameProblem(user: string): string | null {
  if (user === "") return "a user name must not be empty";
  if (/[:\p{Cc}]/u.test(user)) return "a user name must not hold a colon or control characters";
  if (/^[\s#]|\s$/u.test(user))
    return "a user name must not begin with # or have blanks at its ends";
  return null;
}

function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function findUser(lines: readonly string[], user: string): number {
  return lines.findIndex((line) => line.startsWith(`${user}:`));
}
