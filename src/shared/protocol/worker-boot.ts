/**
 * What main hands a worker thread at start (`workerData`) and the rare control messages between
 * them (postMessage). Nothing here is on a per-message path.
 */

import type { BrokerConfig, LogKind } from "../config/config.ts";

/** The part of a MessagePort that a doorbell needs. */
export interface BellPort {
  postMessage(value: number): void;
  on(event: "message", listener: () => void): unknown;
  unref(): void;
  close(): void;
}

/** Where stored state lies, and how a worker writes it. */
export interface StorageBoot {
  /** The data folder. */
  readonly path: string;
  /** Of the node; which of them a worker serves follows from its index (store-placement.ts). */
  readonly storeCount: number;
  /** As the data folder was made. */
  readonly log: LogKind;
  /** Random, one per start of the process (worker-life.ts). */
  readonly processNumber: number;
}

export interface WorkerBoot {
  /** 1..N; thread 0 is main. */
  readonly threadIndex: number;
  readonly threadCount: number;
  /** Unique per worker start: tells a restarted worker from its predecessor. */
  readonly incarnation: number;
  readonly config: BrokerConfig;
  readonly storage: StorageBoot;
  /**
   * Another worker takes the free ports first: do everything but listening, until main says
   * "listen".
   */
  readonly waitsToListen: boolean;
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
  /** Of the process' time; see steady-clock.ts. */
  readonly clockOriginMs: number;
  /** What is counted against quotas of the whole node (shared/quota/quota-ledger.ts). */
  readonly quotas: SharedArrayBuffer;
  /**
   * Ports that listeners with `port: 0` got, by listener id, when another worker bound them first.
   */
  readonly boundPorts: Readonly<Record<string, number>>;
}

/** What came of ending a session. */
export const SessionEnding = { ENDED: 0, ABSENT: 1, FAILED: 2 } as const;
export type SessionEnding = (typeof SessionEnding)[keyof typeof SessionEnding];

export type ControlToWorker =
  | { readonly type: "reload"; readonly config: BrokerConfig }
  /** For who `waitsToListen`, once: the ports that are taken now. */
  | { readonly type: "listen"; readonly boundPorts: Readonly<Record<string, number>> }
  /** Write everything, close the listeners and end the thread, without a word to anybody. */
  | { readonly type: "end" }
  /** Stop accepting, send DISCONNECT, close, then report "drained". */
  | { readonly type: "drain"; readonly reasonCode: number }
  /** End a session, wherever its connection is; "session_ended" follows. */
  | {
      readonly type: "end_session";
      readonly request: number;
      readonly tenantId: string;
      readonly clientId: string;
    }
  | {
      readonly type: "replace_peer";
      readonly peer: number;
      /** Of the one that died. */
      readonly incarnation: number;
      readonly inbound: SharedArrayBuffer;
      readonly outbound: SharedArrayBuffer;
      readonly bell: BellPort;
    };

export type ControlFromWorker =
  | { readonly type: "listening"; readonly listenerId: string; readonly port: number }
  /** All listeners are bound; the worker serves. */
  | { readonly type: "ready" }
  | { readonly type: "listen_failed"; readonly listenerId: string; readonly error: string }
  /** Nobody knows what the disk holds: the process must end. */
  | { readonly type: "store_failed"; readonly storeId: number; readonly error: string }
  /** A store has found the disk full and waits, or has space again. */
  | { readonly type: "store_space"; readonly storeId: number; readonly isShort: boolean }
  | { readonly type: "reloaded"; readonly error: string | null }
  | {
      readonly type: "session_ended";
      readonly request: number;
      readonly ending: SessionEnding;
    }
  | { readonly type: "drained" };
