/** What the receiver of the `ws` package makes of a client's frames: the oracle for our decoder. */

import type { Writable } from "node:stream";
import * as ws from "ws";

export interface OracleOutcome {
  /** Payload of whole messages, text included, behind each other. */
  readonly payload: string;
  readonly pings: readonly string[];
  /** "closed 1000", "violation 1002", or null: still open. */
  readonly end: string | null;
}

interface ReceiverModule {
  readonly Receiver: new (options: { readonly isServer: boolean }) => Writable;
}

// The package exports it; its types do not say so.
const { Receiver } = ws as unknown as ReceiverModule;

export function receive(bytes: Uint8Array): OracleOutcome {
  const receiver = new Receiver({ isServer: true });
  let payload = "";
  let end: string | null = null;
  const pings: string[] = [];
  receiver.on("message", (message: Buffer) => {
    payload += message.toString("latin1");
  });
  receiver.on("ping", (ping: Buffer) => pings.push(ping.toString("latin1")));
  receiver.on("conclude", (code: number) => {
    end = `closed ${code}`;
  });
  receiver.on("error", () => {});
  receiver.write(Buffer.from(bytes));
  // The event comes in a later tick, the error itself is there at once.
  const error = receiver.errored;
  if (error !== null) end = `violation ${closeCodeOf(error)}`;
  return { payload, pings, end };
}

/** The package keeps it under a symbol of its own. */
function closeCodeOf(error: Error): number {
  const symbol = Object.getOwnPropertySymbols(error).find(
    ({ description }) => description === "status-code",
  );
  return symbol === undefined ? 0 : (error as unknown as Record<symbol, number>)[symbol]!;
}
