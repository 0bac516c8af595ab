/**
 * Functions of the C library that Node has no word for. The only importer of `koffi`.
 *
 * Whoever uses this has a path without it: koffi has no binary for every machine. Thread: any; each
 * thread loads its own copy.
 */

import { createRequire } from "node:module";

export interface CLibrary {
  /** Binds one function by its C declaration. */
  bind(declaration: string): (...values: unknown[]) => unknown;
  /** Of the last call that failed, e.g. "EADDRINUSE". */
  errorCode(): string;
  /**
   * Memory outside of Node's as an ArrayBuffer, which does not own it. Throws where Node forbids
   * it.
   */
  view(address: number, size: number): ArrayBuffer;
  /**
   * Calls `onReadable` from this thread's event loop as long as `fd` is readable; does not keep the
   * thread alive. Ends with `close`, or when nobody holds what is returned.
   */
  watch(fd: number, onReadable: () => void): { close(): void };
}

let loaded: CLibrary | null | undefined;

/** Null where it cannot be had. */
export function loadCLibrary(): CLibrary | null {
  if (loaded === undefined) loaded = tryLoad();
  return loaded;
}

function tryLoad(): CLibrary | null {
  if (process.platform === "win32") return null;
  try {
    return bindLibrary(createRequire(import.meta.url)("koffi") as typeof import("koffi"));
  } catch {
    // Decided here: no binary for this machine, so everybody takes the path without.
    return null;
  }
}

function bindLibrary(koffi: typeof import("koffi")): CLibrary {
  // The process itself: Node is linked with the C library of the machine, be it glibc or musl.
  const program = koffi.load(null);
  const errorNames = new Map(Object.entries(koffi.os.errno).map(([name, code]) => [code, name]));
  return {
    bind: (declaration) => program.func(declaration) as (...values: unknown[]) => unknown,
    view: (address, size) => koffi.view(BigInt(address), size),
    watch: (fd, onReadable) => {
      const handle = koffi.node.poll(fd, { readable: true }, onReadable);
      handle.unref();
      return handle;
    },
    errorCode: () => errorNames.get(koffi.errno()) ?? `errno ${koffi.errno()}`,
  };
}
