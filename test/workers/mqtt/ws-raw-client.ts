/** A WebSocket client that writes bytes as it is told, and reads what comes back as frames. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";

export const UPGRADE_LINES = [
  "GET /mqtt HTTP/1.1",
  "Host: broker.test",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: mqtt",
] as const;

const HEAD_END = "\r\n\r\n";

export class WsRawClient {
  readonly socket: Socket;
  isEnded = false;
  #received = Buffer.alloc(0);

  constructor(t: TestContext, port: number) {
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    t.after(() => this.socket.destroy());
    this.socket.on("error", () => {});
    this.socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
    this.socket.on("end", () => {
      this.isEnded = true;
    });
  }

  /** Asks for the upgrade, with `behind` in the same piece. */
  upgrade(behind: Uint8Array = Buffer.alloc(0), lines: readonly string[] = UPGRADE_LINES): void {
    this.socket.write(Buffer.concat([Buffer.from(lines.join("\r\n") + HEAD_END), behind]));
  }

  write(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The status of the response, or 0 while it is not complete. */
  get status(): number {
    return this.#headEnd < 0 ? 0 : Number(this.#received.toString("latin1", 9, 12));
  }

  /** What came behind the response. */
  get frames(): Buffer {
    return this.#headEnd < 0 ? Buffer.alloc(0) : this.#received.subarray(this.#headEnd);
  }

  closed(): Promise<unknown> {
    return once(this.socket, "close");
  }

  get #headEnd(): number {
    const at = this.#received.indexOf(HEAD_END);
    return at < 0 ? -1 : at + HEAD_END.length;
  }
}
