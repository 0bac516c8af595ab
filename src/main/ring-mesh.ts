/**
 * Allocates everything through which threads talk: one ring per direction and pair, one loopback
 * ring per thread, and one MessageChannel per pair as doorbell. Main does this once at start, and
 * again for one thread when it restarts.
 *
 *               to 0    to 1    to 2          bells:   0 --- 1
 *   from 0     small   small   small                    \   /
 *   from 1     small   large   large                      2
 *   from 2     small   large   large
 *
 * A ring "from a to b" is outbound at a and inbound at b. Workers pass publishes to each other, so
 * their rings are large; main sees commands only.
 *
 * Memory: (N+1)² rings. A worker's ring has 1 MiB, or less where N² of them would pass 256 MiB:
 *
 *   N      worker ring   main ring   all rings
 *   1      1 MiB         256 KiB     1.8 MiB
 *   8      1 MiB         256 KiB     68 MiB
 *   16     1 MiB         256 KiB     264 MiB
 *   32     256 KiB       256 KiB     273 MiB
 *   64     256 KiB       256 KiB     1058 MiB
 *
 * The operating system commits a page when it is first written, so a pair that never talks costs
 * address space only.
 *
 * Thread: main. Invariant: a ring has one producer and one consumer for life; a restarted thread
 * gets new ones.
 */

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { assert } from "../shared/base/assert.ts";
import { createRing } from "../shared/ring/ring-layout.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * 1 MiB holds 10,000 deliveries of 100 bytes: at a million per second their consumer may be 10 ms
 * late.
 */
const MAX_WORKER_RING = MIB;
/**
 * 256 KiB: claims of 64 KiB still pass in one record, and such a block comes on pages of its own,
 * which cost nothing until written. Smaller ones come from the C library's heap and are cleared
 * byte by byte (measured for 64 workers: 293 MiB resident at start with rings of 128 KiB, 18 MiB
 * with these).
 */
const MIN_RING = 256 * KIB;
/** What all worker-to-worker rings together may take, if MIN_RING allows. */
const MESH_BUDGET = 256 * MIB;

/** Record bytes of a worker-to-worker ring: a power of two in 256 KiB..1 MiB. */
export function workerRingCapacity(workerCount: number): number {
  const share = MESH_BUDGET / (workerCount * workerCount);
  const powerOfTwo = 2 ** Math.floor(Math.log2(share));
  return Math.max(MIN_RING, Math.min(MAX_WORKER_RING, powerOfTwo));
}

/**
 * Record bytes of a ring from or to main: the least, because what main sends and gets is not per
 * message.
 */
export const MAIN_RING_CAPACITY = MIN_RING;

/**
 * What one thread needs for its RingPort, and for its WorkerBoot. Bells may be handed out once:
 * they are transferred.
 */
export interface MeshEndpoint {
  readonly inbound: readonly SharedArrayBuffer[];
  readonly outbound: readonly SharedArrayBuffer[];
  /** By peer; null at the own index. Ring by `postMessage(0)`; hear by `on("message")`. */
  readonly bells: readonly (MessagePort | null)[];
}

/** What `thread` must be told when `peer` restarts, seen from `thread`. */
export interface PeerReplacement {
  readonly thread: number;
  readonly peer: number;
  readonly inbound: SharedArrayBuffer;
  readonly outbound: SharedArrayBuffer;
  readonly bell: MessagePort;
}

export interface ThreadReplacement {
  /** For the restarted thread. */
  readonly endpoint: MeshEndpoint;
  /** For every other thread, main included. */
  readonly peers: readonly PeerReplacement[];
}

export interface RingMeshOptions {
  /** Record bytes of worker rings; default workerRingCapacity. */
  readonly workerRingBytes?: number;
  /** Record bytes of rings from and to main; default MAIN_RING_CAPACITY. */
  readonly mainRingBytes?: number;
}

export class RingMesh {
  readonly threadCount: number;
  readonly #workerRingBytes: number;
  readonly #mainRingBytes: number;
  /** rings[from * threadCount + to] */
  readonly #rings: SharedArrayBuffer[];
  /** bells[owner * threadCount + peer]; null once handed to a worker. */
  readonly #bells: (MessagePort | null)[];

  constructor(workerCount: number, options: RingMeshOptions = {}) {
    assert(Number.isInteger(workerCount) && workerCount >= 1, "ring mesh: no workers");
    this.threadCount = workerCount + 1;
    this.#workerRingBytes = options.workerRingBytes ?? workerRingCapacity(workerCount);
    this.#mainRingBytes = options.mainRingBytes ?? MAIN_RING_CAPACITY;
    this.#rings = [];
    this.#bells = new Array(this.threadCount * this.threadCount).fill(null);
    for (let from = 0; from < this.threadCount; from += 1) {
      for (let to = 0; to < this.threadCount; to += 1) this.#setRing(from, to);
      for (let to = 0; to < from; to += 1) this.#connectBells(from, to);
    }
  }

  /**
   * Bytes of shared memory in all rings, headers included; resident only as far as they were ever
   * written.
   */
  get ringBytes(): number {
    return this.#rings.reduce((total, ring) => total + ring.byteLength, 0);
  }

  /**
   * Hands out the endpoint of one thread, once per thread and incarnation. Its receiver owns the
   * bells: a worker gets them by transfer (`bellsToTransfer`), and closes them when it ends or when
   * it replaces a peer.
   */
  endpoint(thread: number): MeshEndpoint {
    const peers = this.#allThreads();
    return {
      inbound: peers.map((peer) => this.#ring(peer, thread)),
      outbound: peers.map((peer) => this.#ring(thread, peer)),
      bells: peers.map((peer) => (peer === thread ? null : this.#takeBell(thread, peer))),
    };
  }

  /**
   * Fresh rings and bells around worker `thread`, whose last incarnation has ended. What still lay
   * in the old rings is lost: it was for, or from, a thread that no longer exists.
   */
  replace(thread: number): ThreadReplacement {
    assert(thread >= 1 && thread < this.threadCount, "ring mesh: main cannot restart");
    const peers = this.#allThreads().filter((peer) => peer !== thread);
    this.#setRing(thread, thread);
    for (const peer of peers) {
      this.#setRing(thread, peer);
      this.#setRing(peer, thread);
      this.#connectBells(thread, peer);
    }
    return {
      endpoint: this.endpoint(thread),
      peers: peers.map((peer) => ({
        thread: peer,
        peer: thread,
        inbound: this.#ring(thread, peer),
        outbound: this.#ring(peer, thread),
        bell: this.#takeBell(peer, thread),
      })),
    };
  }

  /** Closes the bells that were never handed out. */
  close(): void {
    for (const bell of this.#bells) bell?.close();
    this.#bells.fill(null);
  }

  #allThreads(): number[] {
    return Array.from({ length: this.threadCount }, (_, thread) => thread);
  }

  #ring(from: number, to: number): SharedArrayBuffer {
    const ring = this.#rings[from * this.threadCount + to];
    assert(ring !== undefined, "ring mesh: no such thread");
    return ring;
  }

  #setRing(from: number, to: number): void {
    const isMain = from === 0 || to === 0;
    const capacity = isMain ? this.#mainRingBytes : this.#workerRingBytes;
    this.#rings[from * this.threadCount + to] = createRing(capacity);
  }

  #connectBells(one: number, other: number): void {
    const channel = new MessageChannel();
    this.#bells[one * this.threadCount + other] = channel.port1;
    this.#bells[other * this.threadCount + one] = channel.port2;
  }

  #takeBell(owner: number, peer: number): MessagePort {
    const index = owner * this.threadCount + peer;
    const bell = this.#bells[index] ?? null;
    assert(bell !== null, "ring mesh: endpoint handed out twice");
    this.#bells[index] = null;
    return bell;
  }
}

/** The rings and bells of main and `workerCount` workers. */
export function createRingMesh(workerCount: number, options: RingMeshOptions = {}): RingMesh {
  return new RingMesh(workerCount, options);
}

/** The transfer list for `endpoint` when it goes to a worker in workerData or postMessage. */
export function bellsToTransfer(endpoint: MeshEndpoint): MessagePort[] {
  return endpoint.bells.filter((bell) => bell !== null);
}
