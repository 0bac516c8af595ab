/**
 * Linux io_uring: requests to the kernel are written into a ring that it reads, and answers come
 * back in another one, so that one system call stands for many.
 *
 *     claim() → words of one request … enter() → the kernel works … reap(sink)
 *
 * Needs Linux 6.1 and a process that may use it, which container runtimes often deny; whoever uses
 * this has a path without. What is mapped is laid out as io_uring_setup(2) says. Thread: any, but a
 * ring belongs to the thread that has opened it. Scope: one per user.
 */

import { endianness } from "node:os";
import { type CLibrary, loadCLibrary } from "./c-library.ts";

/** The same on every architecture that Node runs on. */
const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const SYS_IO_URING_REGISTER = 427;

/** The size of the second ring is ours, and one thread submits (since 6.0). */
const SETUP_FLAGS = (1 << 3) | (1 << 12);
/** The kernel works for us with the next system call of ours, whichever it is, or when we wait. */
const SETUP_COOPERATIVE = 1 << 8;
/** The kernel works for us in `enter` only (since 6.1). */
const SETUP_DEFERRED = 1 << 13;
const ENTER_GETEVENTS = 1;
const OFFSET_RINGS = 0;
const OFFSET_REQUESTS = 0x1000_0000;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const FEATURE_SINGLE_MMAP = 1;

/** struct io_uring_params, and where in it the words lie that we use. */
const PARAMS_SIZE = 120;
const PARAM_SQ_ENTRIES = 0;
const PARAM_CQ_ENTRIES = 4;
const PARAM_FLAGS = 8;
const PARAM_FEATURES = 20;
const PARAM_SQ_TAIL = 44;
const PARAM_SQ_ARRAY = 64;
const PARAM_CQ_HEAD = 80;
const PARAM_CQ_TAIL = 84;
const PARAM_CQ_ENTRIES_AT = 100;

/** struct io_uring_sqe, in 32-bit words: where in a request what stands. */
export const Request = {
  /** Operation, flags, and two bytes that mean something else with each operation. */
  OPERATION: 0,
  FD: 1,
  /** Two words. */
  ADDRESS: 4,
  SIZE: 6,
  OPERATION_FLAGS: 7,
  /** Comes back with the answer; the upper word stays 0. */
  USER_DATA: 8,
  BUFFER_GROUP: 10,
  WORDS: 16,
} as const;

/** struct io_uring_cqe, in 32-bit words. */
const COMPLETION_WORDS = 4;
const COMPLETION_RESULT = 2;
const COMPLETION_FLAGS = 3;

const WORD_BYTES = 4;
const TWO_TO_32 = 0x1_0000_0000;

export interface UringOptions {
  /** Requests per system call; a power of two. */
  readonly requests: number;
  /** Answers that may wait; a power of two, not smaller. */
  readonly completions: number;
  /** True: answers appear in `enter` only. False: at any time, and then `fd` becomes readable. */
  readonly isDeferred: boolean;
}

/** Gets one answer after the other. */
export interface CompletionSink {
  /** `result` as of the operation's system call, negative for an error. */
  complete(userData: number, result: number, flags: number): void;
}

interface UringCalls {
  setup(entries: number, params: Uint8Array): number;
  enter(fd: number, count: number, waitFor: number): number;
  register(fd: number, operation: number, argument: Uint8Array, count: number): number;
  map(size: number, fd: number, offset: number): ArrayBuffer;
  addressOf(bytes: Uint8Array): number;
  close(fd: number): void;
}

/** The rings as the kernel laid them out; all but `size` are indexes of 32-bit words. */
interface Layout {
  readonly size: number;
  readonly sqTail: number;
  readonly sqArray: number;
  readonly cqHead: number;
  readonly cqTail: number;
  readonly completions: number;
}

export class IoUring {
  /** Readable, as poll(2) has it, when there is something to reap. */
  readonly fd: number;
  /** Requests as words; claimed ones are the caller's to fill. */
  readonly requests: Int32Array;
  readonly #calls: UringCalls;
  readonly #layout: Layout;
  readonly #rings: Int32Array;
  readonly #requestMask: number;
  readonly #completionMask: number;
  /** Where memory lies that was asked for before. */
  readonly #addresses = new WeakMap<ArrayBufferLike, number>();
  #lastMemory: ArrayBufferLike | null = null;
  #lastAddress = 0;
  #claimed = 0;
  /** Requests ever handed over: the tail, which only we move. */
  #tail = 0;
  #isOpen = true;

  private constructor(calls: UringCalls, fd: number, layout: Layout, size: UringOptions) {
    this.#calls = calls;
    this.fd = fd;
    this.#layout = layout;
    this.#requestMask = size.requests - 1;
    this.#completionMask = size.completions - 1;
    this.#rings = new Int32Array(calls.map(layout.size, fd, OFFSET_RINGS));
    const requestBytes = size.requests * Request.WORDS * WORD_BYTES;
    this.requests = new Int32Array(calls.map(requestBytes, fd, OFFSET_REQUESTS));
    for (let index = 0; index < size.requests; index += 1) {
      this.#rings[layout.sqArray + index] = index;
    }
  }

  /** Null where the system cannot or may not. */
  static open(size: UringOptions): IoUring | null {
    const isLinux = process.platform === "linux" && endianness() === "LE";
    const library = isLinux ? loadCLibrary() : null;
    if (library === null) return null;
    const calls = bindCalls(library);
    const params = new Uint8Array(PARAMS_SIZE);
    const view = new DataView(params.buffer);
    const when = size.isDeferred ? SETUP_DEFERRED : SETUP_COOPERATIVE;
    view.setUint32(PARAM_FLAGS, SETUP_FLAGS | when, true);
    view.setUint32(PARAM_CQ_ENTRIES, size.completions, true);
    const fd = calls.setup(size.requests, params);
    if (fd < 0) return null;
    const layout = readLayout(view, size);
    try {
      if (layout !== null) return new IoUring(calls, fd, layout, size);
    } catch {
      // Decided here: memory outside of Node's may not be mapped, so there is no ring.
    }
    calls.close(fd);
    return null;
  }

  /** Requests that wait for `enter`. */
  get claimed(): number {
    return this.#claimed;
  }

  get hasRoom(): boolean {
    return this.#isOpen && this.#claimed <= this.#requestMask;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * The next request, as an index into `requests`; what stands there is left from an older one.
   * Only while `hasRoom`.
   */
  claim(): number {
    const slot = (this.#tail + this.#claimed) & this.#requestMask;
    this.#claimed += 1;
    return slot * Request.WORDS;
  }

  /** Writes where bytes lie that are at `start` of `bytes`. */
  writeAddress(request: number, bytes: Uint8Array, start: number): void {
    const address = this.addressOf(bytes) + start;
    this.requests[request + Request.ADDRESS] = address;
    this.requests[request + Request.ADDRESS + 1] = address / TWO_TO_32;
  }

  /**
   * Hands over what is claimed, and waits for `waitFor` answers. Returns how many requests were
   * accepted, or a negative number; the rest are claimed still.
   */
  enter(waitFor: number): number {
    if (!this.#isOpen) return -1;
    Atomics.store(this.#rings, this.#layout.sqTail, (this.#tail + this.#claimed) | 0);
    const accepted = this.#calls.enter(this.fd, this.#claimed, waitFor);
    if (accepted <= 0) return accepted;
    this.#tail = (this.#tail + accepted) | 0;
    this.#claimed -= accepted;
    return accepted;
  }

  /**
   * Hands the answers that are there to `sink`, oldest first, which may call this again meanwhile;
   * returns how many.
   */
  reap(sink: CompletionSink): number {
    const rings = this.#rings;
    const { cqHead, cqTail, completions } = this.#layout;
    const tail = Atomics.load(rings, cqTail);
    let count = 0;
    for (let next = rings[cqHead]!; ((tail - next) | 0) > 0; next = rings[cqHead]!) {
      const at = completions + (next & this.#completionMask) * COMPLETION_WORDS;
      const userData = rings[at]!;
      const result = rings[at + COMPLETION_RESULT]!;
      const flags = rings[at + COMPLETION_FLAGS]!;
      Atomics.store(rings, cqHead, (next + 1) | 0);
      count += 1;
      sink.complete(userData, result, flags);
    }
    return count;
  }

  /** io_uring_register(2); negative when it is refused. */
  register(operation: number, argument: Uint8Array, count: number): number {
    return this.#calls.register(this.fd, operation, argument, count);
  }

  /** Of the first byte; it stays as long as somebody holds the memory. */
  addressOf(bytes: Uint8Array): number {
    const memory = bytes.buffer;
    if (memory !== this.#lastMemory) {
      let address = this.#addresses.get(memory);
      if (address === undefined) {
        address = this.#calls.addressOf(new Uint8Array(memory));
        this.#addresses.set(memory, address);
      }
      this.#lastMemory = memory;
      this.#lastAddress = address;
    }
    return this.#lastAddress + bytes.byteOffset;
  }

  /** What is claimed is never handed over, what is under way is cancelled. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#claimed = 0;
    this.#calls.close(this.fd);
  }
}

function bindCalls(library: CLibrary): UringCalls {
  const setup = library.bind("int64_t syscall(int64_t number, uint32_t entries, void *params)");
  const enter = library.bind(
    "int64_t syscall(int64_t number, int fd, uint32_t count, uint32_t waitFor, uint32_t flags, void *mask, size_t size)",
  );
  const register = library.bind(
    "int64_t syscall(int64_t number, int fd, uint32_t operation, void *argument, uint32_t count)",
  );
  const map = library.bind(
    "int64_t mmap(void *at, size_t size, int protection, int flags, int fd, int64_t offset)",
  );
  // Copies nothing, and returns where the bytes lie.
  const move = library.bind("int64_t memmove(void *to, const void *from, size_t size)");
  const close = library.bind("int close(int fd)");
  return {
    setup: (entries, params) => setup(SYS_IO_URING_SETUP, entries, params) as number,
    enter: (fd, count, waitFor) =>
      enter(SYS_IO_URING_ENTER, fd, count, waitFor, ENTER_GETEVENTS, null, 0) as number,
    register: (fd, operation, argument, count) =>
      register(SYS_IO_URING_REGISTER, fd, operation, argument, count) as number,
    map(size, fd, offset) {
      const address = map(null, size, PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, offset) as number;
      if (address === -1) throw new Error(`mmap: ${library.errorCode()}`);
      return library.view(address, size);
    },
    addressOf: (bytes) => move(bytes, bytes, 0) as number,
    close: (fd) => {
      close(fd);
    },
  };
}

/** Null: not as we asked for. */
function readLayout(params: DataView, size: UringOptions): Layout | null {
  if (readWord(params, PARAM_SQ_ENTRIES) !== size.requests) return null;
  if (readWord(params, PARAM_CQ_ENTRIES) !== size.completions) return null;
  if ((readWord(params, PARAM_FEATURES) & FEATURE_SINGLE_MMAP) === 0) return null;
  const completionsAt = readWord(params, PARAM_CQ_ENTRIES_AT);
  const sqArrayAt = readWord(params, PARAM_SQ_ARRAY);
  return {
    size: Math.max(
      sqArrayAt + size.requests * WORD_BYTES,
      completionsAt + size.completions * COMPLETION_WORDS * WORD_BYTES,
    ),
    sqTail: readWord(params, PARAM_SQ_TAIL) >> 2,
    sqArray: sqArrayAt >> 2,
    cqHead: readWord(params, PARAM_CQ_HEAD) >> 2,
    cqTail: readWord(params, PARAM_CQ_TAIL) >> 2,
    completions: completionsAt >> 2,
  };
}

function readWord(params: DataView, at: number): number {
  return params.getUint32(at, true);
}
