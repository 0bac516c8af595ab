/**
 * Which ranges of a store are to be set aside at the next start, beside those that fail a check
 * there: a row that turned out damaged while its range was served, a log entry that its machine
 * failed over again and again, or a range that is being made anew. Kept in a file of its own,
 * because the note must be durable before the thread that found the damage ends, and a database
 * that holds damaged rows is no place for it.
 *
 *   STORE/damaged.json   { "RANGE": { "how": TEXT, "row": HEX or null, "entry"?: INDEX,
 *                                     "lowest_id"?: NUMBER }, ... }
 *
 * Thread: worker. Scope: one per store.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../../platform/durable-file.ts";
import type { RangeId } from "../../shared/range/range-descriptor.ts";

export interface DamageNote {
  /** What an operator reads. */
  readonly how: string;
  /** Key of the damaged row as stored; null: the range is set aside whatever its rows say. */
  readonly row: Uint8Array | null;
  /**
   * Not null: its machine has failed over this log entry once, and that may have been chance. The
   * range is served; the next time at the same entry sets it aside.
   */
  readonly failedEntry: number | null;
  /** Of a range that is being made anew: no identifier below is to be used in it. */
  readonly lowestId: number;
}

export interface DamageNotes {
  /**
   * Not null: nobody can tell which ranges were noted, and why. All ranges of the store are to be
   * set aside.
   */
  readonly fault: string | null;
  readonly ranges: Iterable<RangeId>;
  get(range: RangeId): DamageNote | null;
  /** Durable when it returns. */
  put(range: RangeId, note: DamageNote): void;
  delete(range: RangeId): void;
}

/** Of stores that end with the process, and for tests that have their disk in memory. */
export class MemoryDamageNotes implements DamageNotes {
  readonly fault: string | null = null;
  protected readonly notes = new Map<RangeId, DamageNote>();

  get ranges(): Iterable<RangeId> {
    return this.notes.keys();
  }

  get(range: RangeId): DamageNote | null {
    return this.notes.get(range) ?? null;
  }

  put(range: RangeId, note: DamageNote): void {
    this.notes.set(range, note);
  }

  delete(range: RangeId): void {
    this.notes.delete(range);
  }
}

export class FileDamageNotes extends MemoryDamageNotes {
  override readonly fault: string | null;
  readonly #path: string;

  constructor(folder: string) {
    super();
    this.#path = join(folder, "damaged.json");
    this.fault = this.#read() ? null : `${this.#path} is no list of damaged ranges`;
  }

  override put(range: RangeId, note: DamageNote): void {
    super.put(range, note);
    this.#write();
  }

  override delete(range: RangeId): void {
    if (this.get(range) === null) return;
    super.delete(range);
    this.#write();
  }

  /** False when the file is not what it should be. */
  #read(): boolean {
    if (!existsSync(this.#path)) return true;
    const found = parse(readFileSync(this.#path, "utf8"));
    if (found === null) return false;
    for (const [id, note] of found) this.notes.set(id, note);
    return true;
  }

  #write(): void {
    const notes = [...this.notes].map(([id, { how, row, failedEntry, lowestId }]) => {
      const hex = row === null ? null : Buffer.from(row).toString("hex");
      const entry = failedEntry === null ? {} : { entry: failedEntry };
      const lowest = lowestId === 0 ? {} : { lowest_id: lowestId };
      return [id, { how, row: hex, ...entry, ...lowest }];
    });
    replaceFile(this.#path, Buffer.from(`${JSON.stringify(Object.fromEntries(notes), null, 2)}\n`));
  }
}

function parse(text: string): [RangeId, DamageNote][] | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
  if (typeof found !== "object" || found === null) return null;
  const notes: [RangeId, DamageNote][] = [];
  for (const [name, note] of Object.entries(found)) {
    const id = Number(name);
    const isNote = typeof note === "object" && note !== null;
    const blank = { how: null, row: 0, entry: null, lowest_id: 0 };
    const found: Record<string, unknown> = isNote ? { ...blank, ...note } : blank;
    const { how, row, entry, lowest_id: lowestId } = found;
    const isEntry = entry === null || Number.isSafeInteger(entry);
    const isRow = row === null || typeof row === "string";
    if (!Number.isSafeInteger(id) || typeof how !== "string" || !isRow || !isEntry) return null;
    if (!Number.isSafeInteger(lowestId)) return null;
    const key = row === null ? null : new Uint8Array(Buffer.from(row, "hex"));
    const numbers = { failedEntry: entry as number | null, lowestId: lowestId as number };
    notes.push([id, { how, row: key, ...numbers }]);
  }
  return notes;
}
