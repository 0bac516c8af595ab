/**
 * The few C library calls that Node has no word for: opening a socket with SO_REUSEPORT (Node 20),
 * and `send` without the stream machinery around it.
 *
 * Why `send`: for a 72-byte write to each of 500 sockets, Node 20 to 26 spend 0.6–0.8 µs of user
 * time and several heap objects in `socket.write`, and 0.2–0.3 µs without an object in this call;
 * the system call itself costs 3.5 µs either way. Linux only, because the constants below are
 * Linux's. Everything that uses this has a path without it. Thread: worker; each thread loads its
 * own copy.
 */

import { type CLibrary, loadCLibrary } from "../../platform/c-library.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/**
 * Hands bytes[0, size) of a connected socket to the kernel without waiting. Returns how many it
 * took, or a negative number when it took none, be it full or broken: the caller's stream then
 * finds out which.
 */
export type KernelSend = (fd: number, bytes: Uint8Array, size: number) => number;

export interface LibC {
  readonly send: KernelSend;
  /** The following return -1 on failure; `errorCode` then names the reason. */
  socket(family: number, type: number, protocol: number): number;
  setOption(fd: number, level: number, option: number, value: number): number;
  bind(fd: number, address: Uint8Array): number;
  close(fd: number): number;
  /** Writes the 4 or 16 bytes of a textual address to `target`; 1 on success. */
  parseAddress(family: number, text: string, target: Uint8Array): number;
  /** Number of a network interface (IPv6 scope); 0 when there is none of that name. */
  interfaceIndex(name: string): number;
  /** Of the last failed call, e.g. "EADDRINUSE". */
  errorCode(): string;
}

let loaded: LibC | null | undefined;

/**
 * The calls, or null where they cannot be had: then the broker runs with socket.write and, on Node
 * 20, with one accepting worker.
 */
export function loadLibC(): LibC | null {
  if (loaded === undefined) {
    const library = process.platform === "linux" ? loadCLibrary() : null;
    loaded = library === null ? null : bindFunctions(library);
  }
  return loaded;
}

function bindFunctions(library: CLibrary): LibC {
  const send = library.bind("int64_t send(int fd, const void *bytes, size_t size, int flags)");
  const socket = library.bind("int socket(int family, int type, int protocol)");
  const close = library.bind("int close(int fd)");
  const bind = library.bind("int bind(int fd, const void *address, uint32_t size)");
  const setOption = library.bind(
    "int setsockopt(int fd, int level, int option, const void *value, uint32_t size)",
  );
  const parseAddress = library.bind("int inet_pton(int family, const char *text, void *target)");
  const interfaceIndex = library.bind("uint32_t if_nametoindex(const char *name)");
  return {
    send: (fd, bytes, size) => send(fd, bytes, size, SEND_FLAGS) as number,
    socket: (family, type, protocol) => socket(family, type, protocol) as number,
    setOption: (fd, level, option, value) =>
      setOption(fd, level, option, new Int32Array([value]), 4) as number,
    bind: (fd, address) => bind(fd, address, address.length) as number,
    close: (fd) => close(fd) as number,
    parseAddress: (family, text, target) => parseAddress(family, text, target) as number,
    interfaceIndex: (name) => interfaceIndex(name) as number,
    errorCode: () => library.errorCode(),
  };
}
