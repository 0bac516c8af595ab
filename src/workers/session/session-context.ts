/**
 * What a session needs from its worker. One object per worker, made by worker.ts.
 * Thread: worker.
 */

import type { Log } from "../../platform/log.ts";
import type { DeadlineWheel } from "../../shared/collections/deadline-wheel.ts";
import type { BrokerConfig } from "../../shared/config/config.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import type { QuotaLedger } from "../../shared/quota/quota-ledger.ts";
import type { AuthChain } from "../auth/auth-chain.ts";
import type { BorrowedPublish } from "../dist/borrowed-publish.ts";
import type { DistClient } from "../dist/dist-client.ts";
import type { MemberTable } from "../dist/member-table.ts";
import type { DistPublisher } from "../dist/publisher.ts";
import type { InboxClient } from "../inbox/inbox-api.ts";
import type { Transport } from "../mqtt/transport.ts";
import type { RetainClient } from "../retain/retain-api.ts";
import type { SessionDict } from "../session-dict/session-dict-api.ts";
import type { ConnectQueue } from "./connect-queue.ts";
import type { ConnectTurns } from "./connect-turns.ts";
import type { Session } from "./session.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { PauseReason } from "./session-state.ts";
import type { TenantTable } from "./tenant.ts";

export interface SessionContext {
  /** Replaced as a whole by a reload. */
  config: BrokerConfig;
  readonly counters: Float64Array;
  readonly tenants: TenantTable;
  readonly quotas: QuotaLedger;
  readonly auth: AuthChain;
  readonly dict: SessionDict;
  readonly inbox: InboxClient;
  readonly retain: RetainClient;
  readonly dist: DistClient;
  readonly publisher: DistPublisher;
  readonly members: MemberTable;
  readonly registry: SessionRegistry;
  readonly turns: ConnectTurns;
  readonly connects: ConnectQueue;
  /** Keep alive, connect timeout, stalled output: one per session, the nearest; by `liveMs`. */
  readonly deadlines: DeadlineWheel<Session>;
  /** The decoder's view and the publish being handled; both borrowed, never kept. */
  readonly view: PacketView;
  readonly publish: BorrowedPublish;
  readonly log: Log;
  /** Wall clock, milliseconds; constant within one event of the event loop. */
  nowMs(): number;
  /** As LiveClock has it: for how long clients are waited for. */
  liveMs(): number;
  /** A random identifier for clients that bring none. */
  newClientId(): string;
  /** An event outside of a duty cycle has begun or will send something: a cycle must follow. */
  wake(): void;
  /** Hands a connection's output to the kernel before the cycle ends. */
  flushNow(transport: Transport): void;
  /** The session waits for the rings to drain. */
  noteCongested(session: Session): void;
  /** True while some worker's queue is over its mark: publishers are not read. */
  isCongested(): boolean;
  /** Resumes `reason` for the session in `delayMs`. */
  resumeLater(session: Session, reason: PauseReason, delayMs: number): void;
  /** Output bytes of this worker's connections, all tenants, that the kernel has not taken. */
  pendingOutputBytes: number;
  /** Memory of messages that wait in this worker's transient sessions. */
  queueBytes: number;
  /** True while the broker drains: no wills if the tenant says so. */
  isDraining: boolean;
}
