/**
 * A file system of a few mebibytes in memory, for what happens when a disk is full. Mounting one
 * needs rights that not every test run has; who has none skips.
 */

import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const BLOCK = Buffer.alloc(4096, 1);

/** The reason for skipping, or false: what a test's `skip` takes. */
export const NO_SMALL_DISKS: string | false = findReason();

export class SmallDisk {
  readonly path: string;
  readonly #filler: string;

  /** Unmounted with the test. */
  constructor(t: TestContext, mebibytes: number) {
    this.path = mount(mebibytes);
    this.#filler = join(this.path, "filler");
    t.after(() => unmount(this.path));
  }

  /** Takes all space that is left, as another program would. */
  fill(): void {
    const file = openSync(this.#filler, "a");
    try {
      while (writeSync(file, BLOCK) > 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Gives back what `fill` has taken. */
  free(): void {
    rmSync(this.#filler, { force: true });
  }
}

function mount(mebibytes: number): string {
  const path = mkdtempSync(join(tmpdir(), "ratatosk-disk-"));
  const words = ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path];
  const { status, stderr, error } = spawnSync("mount", words, { encoding: "utf8" });
  if (status === 0) return path;
  rmSync(path, { recursive: true });
  throw new Error(`mount: ${error?.message ?? stderr}`);
}

function unmount(path: string): void {
  spawnSync("umount", ["--lazy", path]);
  rmSync(path, { recursive: true, force: true });
}

function findReason(): string | false {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return "only root may mount a small disk";
  }
  try {
    unmount(mount(1));
    return false;
  } catch (error) {
    return `no small disk can be mounted here: ${(error as Error).message}`;
  }
}
