/**
 * What all connections of one listener in one worker share: kept in one object, so that a
 * connection pays one pointer for it instead of one field each. Thread: worker.
 */

import type { Socket } from "node:net";
import type { LimitsConfig } from "../../shared/config/config.ts";
import type { ConnectionOrigin } from "./accept-address.ts";
import type { DeadlineList } from "./accept-deadlines.ts";
import type { LimitedLog } from "./accept-log.ts";
import type { ChunkPool } from "./output-pool.ts";
import type { KernelSend } from "./tcp-libc.ts";
import type { ConnectionAcceptor, Transport } from "./transport.ts";

/** Milliseconds between `close` and `destroy`: a round trip around the world with a few losses. */
export const LINGER_MS = 3000;

export interface ListenerLane {
  readonly listenerId: string;
  readonly protocol: Transport["protocol"];
  readonly acceptor: ConnectionAcceptor;
  readonly markDirty: (transport: Transport) => void;
  readonly pool: ChunkPool;
  /** The thread's own counters. */
  readonly counters: Float64Array;
  readonly log: LimitedLog;
  /** Replaced by a reload. */
  limits: LimitsConfig;
  /** Accepted sockets that are not a transport yet; expiry destroys them. */
  readonly handshakes: DeadlineList<Socket>;
  /** Connections whose end is due; expiry destroys them. */
  readonly lingering: DeadlineList<{ destroy(): void }>;
  /** Null: write through the stream only. */
  readonly send: KernelSend | null;
  /** False: read by 'data' events only. */
  readonly useSharedReadBuffer: boolean;
}

/**
 * One way to turn an accepted socket into a transport. A reload makes a new carrier for sockets to
 * come; handshakes that are under way end with the old one's certificates and rules.
 */
export interface Carrier {
  /** `rest`: bytes behind a PROXY header, else empty. */
  carry(socket: Socket, origin: ConnectionOrigin, rest: Buffer): void;
}
