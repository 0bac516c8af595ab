/**
 * Reads snapshot files. A file comes from a disk, or from another machine, so whatever its bytes
 * are, reading does not throw; and everything is verified once before the first row is handed out,
 * because half a snapshot in a store is worse than none. Thread: worker.
 */

import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { KeyValue } from "../../shared/range/key-value.ts";
import { compareKeys, type RangeDescriptor } from "../../shared/range/range-descriptor.ts";
import {
  BLOCK_MIN_BYTES,
  decodeBlock,
  decodeFooter,
  decodeHeader,
  FOOTER_BYTES,
  HEADER_PREFIX_BYTES,
  headerSize,
  type SnapshotHeader,
} from "./snapshot-codec.ts";

const SIZE_BYTES = 4;

export type OpenedSnapshot =
  | { readonly damage: null; readonly snapshot: SnapshotReader }
  | { readonly damage: string };

/** Reads a file that was verified. */
export class SnapshotReader {
  readonly header: SnapshotHeader;
  readonly rows: number;
  readonly #file: FileHandle;
  readonly #firstBlockAt: number;
  #position: number;

  constructor(file: FileHandle, header: SnapshotHeader, firstBlockAt: number, rows: number) {
    this.#file = file;
    this.header = header;
    this.rows = rows;
    this.#firstBlockAt = firstBlockAt;
    this.#position = firstBlockAt;
  }

  /** The next rows, or null at the end. Throws if the file has changed since it was verified. */
  async nextBlock(): Promise<readonly KeyValue[] | null> {
    const size = await readSize(this.#file, this.#position);
    if (size === 0) return null;
    const bytes =
      size === null ? null : await readAt(this.#file, this.#position + SIZE_BYTES, size);
    const rows = bytes === null ? null : decodeBlock(bytes);
    if (bytes === null || rows === null) throw new Error("the snapshot changed while it was read");
    this.#position += SIZE_BYTES + bytes.length;
    return rows;
  }

  /** To the first block. */
  rewind(): void {
    this.#position = this.#firstBlockAt;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Opens and verifies a file. Rejects only when the system cannot read it. */
export async function openSnapshot(path: string): Promise<OpenedSnapshot> {
  const file = await open(path, "r");
  try {
    const opened = await verify(file);
    if (opened.damage !== null) await file.close();
    return opened;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function verify(file: FileHandle): Promise<OpenedSnapshot> {
  const { size: fileBytes } = await file.stat();
  const verification = new Verification(file, fileBytes);
  const header = await verification.readHeader();
  if (header === null) return { damage: "snapshot: header" };
  const firstBlockAt = verification.position;
  for (;;) {
    const size = await readSize(file, verification.position);
    if (size === null) return { damage: "snapshot: the footer is missing" };
    if (size === 0) break;
    if (!(await verification.readBlock(size, header.descriptor))) {
      return { damage: `snapshot: block ${verification.blocks}` };
    }
  }
  if (!(await verification.readFooter())) return { damage: "snapshot: footer" };
  const { rows } = verification;
  return { damage: null, snapshot: new SnapshotReader(file, header, firstBlockAt, rows) };
}

/** One pass over a file, from the front. */
class Verification {
  readonly #file: FileHandle;
  readonly #fileBytes: number;
  readonly #hash = createHash("sha256");
  #lastKey: Uint8Array | null = null;
  position = 0;
  blocks = 0;
  rows = 0;

  constructor(file: FileHandle, fileBytes: number) {
    this.#file = file;
    this.#fileBytes = fileBytes;
  }

  async readHeader(): Promise<SnapshotHeader | null> {
    const prefix = await this.#take(HEADER_PREFIX_BYTES);
    const size = prefix === null ? -1 : headerSize(prefix);
    const bytes = size < 0 ? null : await this.#take(size);
    return bytes === null ? null : decodeHeader(bytes);
  }

  async readBlock(size: number, { start, end }: RangeDescriptor): Promise<boolean> {
    const sizeBytes = await this.#take(SIZE_BYTES);
    const bytes = sizeBytes === null || size < BLOCK_MIN_BYTES ? null : await this.#take(size);
    const block = bytes === null ? null : decodeBlock(bytes);
    if (block === null) return false;
    for (const { key } of block) {
      const isInOrder =
        compareKeys(key, this.#lastKey ?? start) >= (this.#lastKey === null ? 0 : 1);
      if (!isInOrder || (end !== null && compareKeys(key, end) >= 0)) return false;
      this.#lastKey = key;
    }
    this.blocks += 1;
    this.rows += block.length;
    return true;
  }

  /** What comes last: nothing may follow it. */
  async readFooter(): Promise<boolean> {
    const hash = this.#hash.digest();
    const bytes = await readAt(this.#file, this.position + SIZE_BYTES, FOOTER_BYTES);
    const footer = bytes === null ? null : decodeFooter(bytes);
    const isLast = this.position + SIZE_BYTES + FOOTER_BYTES === this.#fileBytes;
    if (footer === null || !isLast) return false;
    const isComplete = footer.blocks === this.blocks && footer.rows === this.rows;
    return isComplete && hash.equals(footer.hash);
  }

  async #take(size: number): Promise<Buffer | null> {
    // Before anything is allocated: the size is what the file says.
    if (size > this.#fileBytes - this.position) return null;
    const bytes = await readAt(this.#file, this.position, size);
    if (bytes === null) return null;
    this.position += size;
    this.#hash.update(bytes);
    return bytes;
  }
}

async function readSize(file: FileHandle, position: number): Promise<number | null> {
  const bytes = await readAt(file, position, SIZE_BYTES);
  return bytes === null ? null : sizeOf(bytes);
}

function sizeOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** Null when the file ends before. */
async function readAt(file: FileHandle, position: number, size: number): Promise<Buffer | null> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(bytes, at, size - at, position + at);
    if (bytesRead === 0) return null;
    at += bytesRead;
  }
  return bytes;
}
