/**
 * The files of a segment log: `00000001.seg`, `00000002.seg` ... in a folder of their own. A file
 * is made under another name, filled with zeros, flushed, renamed, and the folder flushed: whatever
 * bears a segment's name has its whole space on the disk, so that writing into it neither finds the
 * disk full nor changes the file's size, which would have to be flushed too. A file whose header
 * does not bear its name's number is not in use yet.
 *
 * Thread: worker. While a store is opened synchronously, later through libuv's pool.
 */

import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
} from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder, syncFolder } from "../../platform/durable-file.ts";

const NAME = /^(\d{8,})\.seg$/;
const NAME_DIGITS = 8;
const PIECE = new Uint8Array(1024 * 1024);

/**
 * Not null: opened so, a file's writes are flushed by themselves. One visit of the pool instead of
 * two, which in a thread that is busy is one turn of its event loop instead of two. Elsewhere than
 * on Linux such writes may stop in the drive's cache, where a flush does not.
 */
export const FLUSHING_WRITES =
  process.platform === "linux" ? constants.O_RDWR | constants.O_DSYNC : null;

export class SegmentFolder {
  readonly #path: string;

  /** Makes the folder if it is not there. */
  constructor(path: string) {
    this.#path = path;
    if (existsSync(path)) return;
    makeFolder(path);
    syncFolder(dirname(path));
  }

  pathOf(number: number): string {
    return join(this.#path, `${String(number).padStart(NAME_DIGITS, "0")}.seg`);
  }

  /** Numbers of all segments, ascending; what a crash left half made is removed. */
  list(): number[] {
    const numbers: number[] = [];
    for (const name of readdirSync(this.#path)) {
      const number = Number(NAME.exec(name)?.[1] ?? Number.NaN);
      if (Number.isSafeInteger(number)) numbers.push(number);
      else if (name.endsWith(".tmp")) rmSync(join(this.#path, name), { force: true });
    }
    return numbers.sort((left, right) => left - right);
  }

  /**
   * For the start: all bytes of a segment, flushed, because what is read here counts as durable.
   */
  readNow(number: number): Uint8Array {
    const file = openSync(this.pathOf(number), "r+");
    try {
      fdatasyncSync(file);
      const bytes = new Uint8Array(fstatSync(file).size);
      for (let at = 0; at < bytes.length; ) {
        const count = readSync(file, bytes, at, bytes.length - at, at);
        if (count === 0) return bytes.subarray(0, at);
        at += count;
      }
      return bytes;
    } finally {
      closeSync(file);
    }
  }

  /** For the start: a segment that is not in use. */
  removeNow(number: number): void {
    rmSync(this.pathOf(number), { force: true });
    syncFolder(this.#path);
  }

  /** For reading and writing; with `FLUSHING_WRITES` each write is on the disk when it returns. */
  openNow(number: number, flags = constants.O_RDWR): number {
    return openSync(this.pathOf(number), flags);
  }

  async make(number: number, bytes: number): Promise<void> {
    const path = this.pathOf(number);
    const temporary = `${path}.tmp`;
    try {
      const file = await open(temporary, "w", 0o600);
      try {
        await fill(file, bytes);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await this.#sync();
  }

  /** The file of segment `from` becomes that of segment `to`, which is not in use yet. */
  async recycle(from: number, to: number): Promise<void> {
    await rename(this.pathOf(from), this.pathOf(to));
    await this.#sync();
  }

  async remove(number: number): Promise<void> {
    await rm(this.pathOf(number), { force: true });
    await this.#sync();
  }

  async #sync(): Promise<void> {
    const folder = await open(this.#path, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

async function fill(file: FileHandle, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; ) {
    const size = Math.min(PIECE.length, bytes - at);
    const { bytesWritten } = await file.write(PIECE, 0, size, at);
    at += bytesWritten;
  }
}
