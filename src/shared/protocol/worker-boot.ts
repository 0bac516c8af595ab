/**
 * What main hands a worker thread at start (`workerData`) and the rare control messages between
 * them (postMessage). Nothing here is on a per-message path.
 */

import type { BrokerConfig } from "../config/config.ts";

/** The part of a MessagePort that a doorbell needs. */
export interface BellPort {
  postMessage(value: number): void;
  on(event: "message", listener: () => void): unknown;
  unref(): void;
  close(): void;
}

export interface WorkerBoot {
  /** 1..N; thread 0 is main. */
  readonly threadIndex: number;
  readonly threadCount: number;
  /** Unique per worker start: tells a restarted worker from its predecessor. */
  readonly incarnation: number;
  /** Workers that run already: their routes must be known before this one serves. */
  readonly livePeers: readonly number[];
  readonly config: BrokerConfig;
  /**
   * Rings by peer thread index; inbound[threadIndex] === outbound[threadIndex] is the loopback
   * ring.
   */
  readonly inbound: readonly SharedArrayBuffer[];
  readonly outbound: readonly SharedArrayBuffer[];
  /** Bells by peer thread index; null at the own index. */
  readonly bells: readonly (BellPort | null)[];
  readonly counters: SharedArrayBuffer;
  /** Atomic words all threads share; layout in shared/metrics/shared-words.ts. */
  readonly words: SharedArrayBuffer;
  /**
   * Ports that listeners with `port: 0` got, by listener id, when another worker bound them first.
   */
  readonly boundPorts: Readonly<Record<string, number>>;
}

export type ControlToWorker =
  | { readonly type: "reload"; readonly config: BrokerConfig }
  /** Close the listeners and end the thread, without a word to anybody. */
  | { readonly type: "end" }
  /** Stop accepting, send DISCONNECT, close, then report "drained". */
  | { readonly type: "drain"; readonly reasonCode: number }
  | {
      readonly type: "replace_peer";
      readonly peer: number;
      readonly inbound: SharedArrayBuffer;
      readonly outbound: SharedArrayBuffer;
      readonly bell: BellPort;
    };

export type ControlFromWorker =
  | { readonly type: "listening"; readonly listenerId: string; readonly port: number }
  /** All listeners are bound; the worker serves. */
  | { readonly type: "ready" }
  | { readonly type: "listen_failed"; readonly listenerId: string; readonly error: string }
  | { readonly type: "reloaded"; readonly error: string | null }
  | { readonly type: "drained" };
