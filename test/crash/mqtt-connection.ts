/**
 * One network connection of a client: packets in, packets out, what is written in one turn leaves
 * in one piece. What a server sends is read strictly; nonsense ends the connection and is told.
 */

import * as packets from "../helpers/packets.ts";
import { openTransport, type RawTransport } from "../helpers/raw-transport.ts";
import { type ServerPacket, ServerPacketReader } from "../helpers/server-packets.ts";

export interface ConnectionHandler {
  handlePacket(packet: ServerPacket): void;
  /** The server broke the format; the close follows. */
  handleNonsense(error: Error): void;
  /** Nothing comes after it. */
  handleClosed(): void;
}

export class MqttConnection {
  readonly #transport: RawTransport;
  readonly #reader: ServerPacketReader;
  readonly #handler: ConnectionHandler;
  #gathered: Uint8Array[] = [];
  isClosed = false;

  /** Null when nobody listens on the port. */
  static async open(
    port: number,
    level: 4 | 5,
    handler: ConnectionHandler,
  ): Promise<MqttConnection | null> {
    const transport = await openTransport({ port }).catch(() => null);
    return transport === null ? null : new MqttConnection(transport, level, handler);
  }

  private constructor(transport: RawTransport, level: 4 | 5, handler: ConnectionHandler) {
    this.#transport = transport;
    this.#reader = new ServerPacketReader(level);
    this.#handler = handler;
    transport.onBytes = (chunk) => this.#takeBytes(chunk);
    transport.onClose = () => {
      this.isClosed = true;
      handler.handleClosed();
    };
    transport.start();
  }

  write(bytes: Uint8Array): void {
    if (this.#gathered.push(bytes) === 1) queueMicrotask(() => this.#flush());
  }

  destroy(): void {
    this.#transport.destroy();
  }

  /** Sends what is gathered and closes our side. */
  end(): void {
    this.#flush();
    this.#transport.end();
  }

  #flush(): void {
    if (this.#gathered.length === 0) return;
    this.#transport.write(packets.concat(...this.#gathered));
    this.#gathered = [];
  }

  #takeBytes(chunk: Uint8Array): void {
    let received: ServerPacket[];
    try {
      received = this.#reader.push(chunk);
    } catch (error) {
      this.#handler.handleNonsense(error as Error);
      this.destroy();
      return;
    }
    for (const packet of received) this.#handler.handlePacket(packet);
  }
}
