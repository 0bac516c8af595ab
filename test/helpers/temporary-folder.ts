/**
 * A folder below the system's temporary one that does not outlive this process, also where that is
 * interrupted: removed after the children that write into it were killed.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atEnd } from "./child-process.ts";

/** A killed child may write a file or two between two looks at the folder. */
const REMOVAL = { recursive: true, force: true, maxRetries: 5, retryDelay: 20 } as const;

export class TemporaryFolder {
  readonly path: string;
  readonly #forget: () => void;

  /** `prefix` says whose it is: "ratatosk-test-". */
  constructor(prefix: string) {
    this.path = mkdtempSync(join(tmpdir(), prefix));
    this.#forget = atEnd(() => rmSync(this.path, REMOVAL));
  }

  remove(): void {
    this.#forget();
    rmSync(this.path, REMOVAL);
  }
}
