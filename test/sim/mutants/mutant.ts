/**
 * A mutant is the compiled core, or the simulator's host around it, with one rule broken. Sources
 * are never touched: the edits are made in a copy of the build.
 *
 * Each edit replaces text that must occur exactly once; a test applies all of them to the present
 * build, so a core that moves on cannot leave a mutant behind that changes nothing.
 */

export interface Edit {
  /** Below `src/shared/raft`, or below `test/sim/raft` when it begins with "host:". No suffix. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** The pitfall, of the blueprint's list, that it falls into; 0 when it is in none. */
  readonly pitfall: number;
  readonly edits: readonly Edit[];
}

/** Where an edit's file lies below a build. */
export function compiledPath(file: string): string {
  if (file.startsWith("host:")) return `test/sim/raft/${file.slice("host:".length)}.js`;
  return `src/shared/raft/${file}.js`;
}

/** The text with the edit made, or null when `find` is not there exactly once. */
export function editText(text: string, edit: Edit): string | null {
  const at = text.indexOf(edit.find);
  if (at < 0 || text.indexOf(edit.find, at + 1) >= 0) return null;
  return text.slice(0, at) + edit.replace + text.slice(at + edit.find.length);
}

/** One edit. */
export function mutant(
  name: string,
  pitfall: number,
  file: string,
  find: string,
  replace: string,
): Mutant {
  return { name, pitfall, edits: [{ file, find, replace }] };
}

/** Messages of a type leave without waiting for the disk. */
export function sentEarly(name: string, pitfall: number, type: string): Mutant {
  const waits = { file: "raft-state", find: `type === MessageType.${type} ||`, replace: "" };
  const check = "assert(message.to !== this.id, ";
  const permits = { file: "raft-state", find: check, replace: "assert(true, " };
  return { name, pitfall, edits: [waits, permits] };
}
