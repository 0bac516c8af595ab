/**
 * Space of the disk that a store holds while it does not need it: a file of bytes without meaning,
 * cut shorter piece by piece when a commit finds the disk full, and made whole again when there is
 * space.
 *
 * Refusing what only adds keeps the broker from filling the disk itself; but others write there
 * too, and then acknowledgements, resumed sessions and the first commits of a start still need a
 * page here and there. Piece by piece, because whoever filled the disk may take what is freed: the
 * commit comes at once behind each piece. Thread: worker. Scope: one per store.
 */

import { randomFillSync } from "node:crypto";
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  statfs,
  write,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { isNoSpace } from "../../platform/no-space.ts";

/** Some dozens of commits, or the attachments of a few thousand sessions. */
export const BALLAST_PIECE_BYTES = 512 * 1024;
/**
 * 8 MiB: the log of 20,000 entries of acknowledgements, at which it is compacted, and pages are
 * used again.
 */
const PIECES = 16;
const BALLAST_BYTES = PIECES * BALLAST_PIECE_BYTES;
/** What must be free for it to be taken back, in ballasts: others need space too. */
const SPARE_FACTOR = 2;

const flush = promisify(fdatasync);
const freeSpace = promisify(statfs);
const writeAt = promisify(write);

export class Ballast {
  readonly #path: string;
  /** -1: not open. */
  #file = -1;
  /** Held for certain. */
  #bytes = 0;
  /** Under way. */
  #writers = 0;
  /** Grows when the file is cut: who is filling it learns that what it wrote is gone. */
  #given = 0;
  #isClosed = false;

  constructor(path: string) {
    this.#path = path;
    this.#open();
  }

  get isComplete(): boolean {
    return this.#bytes === BALLAST_BYTES;
  }

  /** Lets the disk have a piece of it. False: there is none left. */
  give(): boolean {
    if (this.#bytes === 0) return false;
    this.#given += 1;
    this.#bytes -= BALLAST_PIECE_BYTES;
    ftruncateSync(this.#file, this.#bytes);
    return true;
  }

  /** Can the disk take so many bytes now? Rejects when it fails otherwise. */
  async canGrow(bytes: number): Promise<boolean> {
    if (this.#isClosed || (await this.#freeBytes()) < bytes) return false;
    // Quotas do not show there.
    return this.#write(async () => {
      this.#given += 1;
      const trial = randomPiece();
      for (let at = 0; at < bytes; at += trial.length) {
        if (!(await this.#putPiece(trial, this.#bytes + at))) return false;
      }
      return true;
    });
  }

  /** Grows it as far as the disk has space to spare. Rejects when the disk fails otherwise. */
  async fill(): Promise<void> {
    if (this.#isClosed || this.isComplete) return;
    if ((await this.#freeBytes()) < BALLAST_BYTES * SPARE_FACTOR) return;
    await this.#write(async () => {
      const piece = randomPiece();
      const given = this.#given;
      while (!this.isComplete && !this.#isClosed) {
        const isThere = await this.#putPiece(piece, this.#bytes);
        if (!isThere || given !== this.#given) return false;
        this.#bytes += piece.length;
      }
      return true;
    });
  }

  close(): void {
    this.#isClosed = true;
    if (this.#writers === 0) this.#closeFile();
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await freeSpace(dirname(this.#path));
    return bavail * bsize;
  }

  /** Whatever `task` has written beyond what is held is given back. */
  async #write(task: () => Promise<boolean>): Promise<boolean> {
    if (this.#file === -1 && !this.#isClosed) this.#open();
    if (this.#file === -1) return false;
    this.#writers += 1;
    try {
      return await task();
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      return false;
    } finally {
      ftruncateSync(this.#file, this.#bytes);
      this.#writers -= 1;
      if (this.#isClosed && this.#writers === 0) this.#closeFile();
    }
  }

  /** False: only a part of it fitted. */
  async #putPiece(piece: Uint8Array, at: number): Promise<boolean> {
    const { bytesWritten } = await writeAt(this.#file, piece, 0, piece.length, at);
    await flush(this.#file);
    return bytesWritten === piece.length;
  }

  #open(): void {
    try {
      this.#file = openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    } catch (error) {
      // Not even a name fits on the disk: there is nothing to give.
      if (!isNoSpace(error)) throw error;
      return;
    }
    const pieces = Math.floor(fstatSync(this.#file).size / BALLAST_PIECE_BYTES);
    this.#bytes = Math.min(pieces, PIECES) * BALLAST_PIECE_BYTES;
  }

  #closeFile(): void {
    if (this.#file !== -1) closeSync(this.#file);
    this.#file = -1;
    this.#bytes = 0;
  }
}

/** Some file systems store zeros as nothing. */
function randomPiece(): Uint8Array {
  return randomFillSync(new Uint8Array(BALLAST_PIECE_BYTES));
}
