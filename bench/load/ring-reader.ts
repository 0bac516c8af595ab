/**
 * Reads many sockets with few system calls (Linux io_uring), for generators: on a machine with few
 * cores what they cost is what the broker lacks, and over 85 % busy they void their run.
 *
 *     watch(fd, client) ── one request that stays ──► kernel ──► (client, buffer, size) per read
 *
 * A request stays armed ("multishot") and takes a buffer from a common set for each read, which
 * goes back once the client has seen it. When buffers run out, requests end and are armed again.
 * Needs Linux 6.0; elsewhere sockets read for themselves. Thread: the generator's main thread; one
 * per run.
 */

import { loadCLibrary } from "../../src/platform/c-library.ts";
import { type CompletionSink, IoUring, Request } from "../../src/platform/io-uring.ts";

export interface RingClient {
  /** bytes[0, size) is borrowed. */
  handleRead(bytes: Buffer, size: number): void;
  /** Nothing more will be read: the other side has closed, or the connection broke. */
  handleReadEnd(): void;
}

const RING_SIZE = { requests: 256, completions: 4096, isDeferred: false };
const BUFFER_COUNT = 1024;
const BUFFER_SIZE = 16_384;
const OPERATION_CANCEL = 14;
const OPERATION_RECEIVE = 27;
/** Second byte of a request: the kernel chooses a buffer. */
const BUFFER_SELECT = 1 << (8 + 5);
/** Third and fourth byte: the request stays. */
const MULTISHOT = 1 << (16 + 1);
/** Of an answer: the request stays armed. */
const FLAG_MORE = 1 << 1;
const FLAG_BUFFER = 1;
const BUFFER_ID_SHIFT = 16;
const ENOBUFS = 105;
const REGISTER_BUFFER_RING = 22;
/** struct io_uring_buf: address, size, number. */
const BUFFER_RING_ENTRY_WORDS = 4;
const BUFFER_RING_ENTRY_BYTES = 16;
/** In the first entry, where others have nothing. */
const BUFFER_RING_TAIL_AT = 14;
const PAGE_BYTES = 4096;
const NOBODY = -1;
const TWO_TO_32 = 0x1_0000_0000;

export class RingReader implements CompletionSink {
  readonly #ring: IoUring;
  /** Those who read, by the number that their answers bear; null: cancelled, or a free number. */
  readonly #clients: (RingClient | null)[] = [];
  readonly #sockets: number[] = [];
  readonly #free: number[] = [];
  readonly #isArmed: boolean[] = [];
  readonly #buffers: Buffer[] = [];
  readonly #bufferRing: Uint32Array;
  readonly #bufferMemory = Buffer.allocUnsafeSlow(BUFFER_COUNT * BUFFER_SIZE);
  readonly #bufferRingTail: Uint16Array;
  readonly #bufferRingAddress: number;
  readonly #bufferAddress: number;
  #tail = 0;
  #watch: { close(): void } | null = null;

  private constructor(ring: IoUring) {
    this.#ring = ring;
    const memory = Buffer.alloc(BUFFER_COUNT * BUFFER_RING_ENTRY_BYTES + PAGE_BYTES);
    const skipped = (PAGE_BYTES - (ring.addressOf(memory) % PAGE_BYTES)) % PAGE_BYTES;
    const at = memory.byteOffset + skipped;
    this.#bufferRing = new Uint32Array(memory.buffer, at, BUFFER_COUNT * BUFFER_RING_ENTRY_WORDS);
    this.#bufferRingAddress = ring.addressOf(memory) + skipped;
    this.#bufferAddress = ring.addressOf(this.#bufferMemory);
    this.#bufferRingTail = new Uint16Array(memory.buffer, at + BUFFER_RING_TAIL_AT, 1);
    for (let index = 0; index < BUFFER_COUNT; index += 1) {
      const start = index * BUFFER_SIZE;
      this.#buffers.push(this.#bufferMemory.subarray(start, start + BUFFER_SIZE));
      this.#giveBack(index);
    }
  }

  /** Null where the system cannot or may not. */
  static open(): RingReader | null {
    const library = loadCLibrary();
    const ring = IoUring.open(RING_SIZE);
    if (ring === null || library === null) return null;
    const reader = new RingReader(ring);
    if (!reader.#register()) {
      ring.close();
      return null;
    }
    reader.#watch = library.watch(ring.fd, () => reader.#turn());
    return reader;
  }

  /** Reads for `client` until its end; returns what `unwatch` wants. */
  watch(fd: number, client: RingClient): number {
    const id = this.#free.pop() ?? this.#clients.length;
    this.#clients[id] = client;
    this.#sockets[id] = fd;
    this.#arm(id);
    this.#ring.enter(0);
    return id;
  }

  /**
   * Stops reading, and lets go of the socket: until then it cannot be closed. Also after the end.
   */
  unwatch(id: number): void {
    if (this.#clients[id] === null || !this.#ring.isOpen) return;
    this.#clients[id] = null;
    const { requests } = this.#ring;
    const at = this.#claim(OPERATION_CANCEL, NOBODY);
    requests[at + Request.ADDRESS] = id;
    while (this.#isArmed[id]) {
      this.#ring.enter(0);
      this.#ring.reap(this);
    }
  }

  /** Lets go of everything; nobody is told. */
  close(): void {
    this.#watch?.close();
    this.#clients.fill(null);
    this.#ring.close();
  }

  complete(id: number, result: number, flags: number): void {
    if (id === NOBODY) return;
    const client = this.#clients[id] ?? null;
    if ((flags & FLAG_MORE) === 0) this.#isArmed[id] = false;
    if ((flags & FLAG_BUFFER) !== 0) {
      const buffer = flags >>> BUFFER_ID_SHIFT;
      if (result > 0) client?.handleRead(this.#buffers[buffer]!, result);
      this.#giveBack(buffer);
    }
    if (this.#isArmed[id]) return;
    // The client may have been cancelled by what it read.
    if (this.#clients[id] === null) this.#free.push(id);
    else if (result > 0 || result === -ENOBUFS) this.#arm(id);
    else this.#end(id);
  }

  #end(id: number): void {
    const client = this.#clients[id];
    this.#clients[id] = null;
    this.#free.push(id);
    client?.handleReadEnd();
  }

  #turn(): void {
    this.#ring.reap(this);
    if (this.#ring.claimed > 0) this.#ring.enter(0);
  }

  #arm(id: number): void {
    const at = this.#claim(OPERATION_RECEIVE | BUFFER_SELECT | MULTISHOT, id);
    this.#ring.requests[at + Request.FD] = this.#sockets[id]!;
    this.#isArmed[id] = true;
  }

  #claim(operation: number, userData: number): number {
    if (!this.#ring.hasRoom) this.#ring.enter(0);
    const { requests } = this.#ring;
    const at = this.#ring.claim();
    requests.fill(0, at, at + Request.WORDS);
    requests[at + Request.OPERATION] = operation;
    requests[at + Request.USER_DATA] = userData;
    return at;
  }

  #giveBack(buffer: number): void {
    const at = (this.#tail & (BUFFER_COUNT - 1)) * BUFFER_RING_ENTRY_WORDS;
    const address = this.#bufferAddress + buffer * BUFFER_SIZE;
    this.#bufferRing[at] = address;
    this.#bufferRing[at + 1] = address / TWO_TO_32;
    this.#bufferRing[at + 2] = BUFFER_SIZE;
    // The upper half of this word is the tail, in the first entry.
    const upper = at === 0 ? this.#tail << 16 : 0;
    this.#bufferRing[at + 3] = buffer | upper;
    this.#tail = (this.#tail + 1) & 0xffff;
    Atomics.store(this.#bufferRingTail, 0, this.#tail);
  }

  #register(): boolean {
    const argument = new Uint8Array(40);
    const view = new DataView(argument.buffer);
    const address = this.#bufferRingAddress;
    view.setUint32(0, address % TWO_TO_32, true);
    view.setUint32(4, address / TWO_TO_32, true);
    view.setUint32(8, BUFFER_COUNT, true);
    return this.#ring.register(REGISTER_BUFFER_RING, argument, 1) >= 0;
  }
}
