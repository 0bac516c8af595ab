/** What the two halves of a client, sender and receiver, need of it. */

import type { ClientSession } from "./client-session.ts";
import type { CrashWorld } from "./crash-world.ts";
import type { MessageKey } from "./event-trace.ts";
import type { Rule } from "./findings.ts";

export interface ExchangeHost {
  readonly name: string;
  /** Its number in the trace. */
  readonly actor: number;
  readonly level: 4 | 5;
  readonly world: CrashWorld;
  readonly session: ClientSession;
  /** Connected: CONNACK has come, the connection has not ended. */
  readonly isConnected: boolean;
  send(bytes: Uint8Array): void;
  complain(rule: Rule, text: string, key?: MessageKey | null): void;
}
