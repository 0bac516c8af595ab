/**
 * One MQTT connection of the load generator: a socket that reads into a buffer shared by all connections of the
 * process, and gathers what it has to say until `flush`.
 *
 * Sharing the read buffer is safe: the kernel fills it and the callback empties it in one go; only the beginning of a
 * packet whose end has not arrived is copied to the connection.
 */

import { connect, type Socket } from "node:net";
import { type PacketSink, walkPackets } from "./client-codec.ts";

/** Large, so that a busy broker costs us few system calls. */
const READ_BUFFER_BYTES = 512 * 1024;
const sharedReadBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
const NOTHING = Buffer.alloc(0);
/** Acknowledgements of many reads fit before the next allocation. */
const OUTPUT_SLAB_BYTES = 8 * 1024;

export class LoadConnection {
  readonly socket: Socket;
  readonly ended: Promise<void>;
  /** Called after each read, when the sink has seen its packets: the place to flush. */
  readonly #afterRead: () => void;
  readonly #sink: PacketSink;
  readonly #hasProperties: boolean;
  /** The incomplete packet at the end of the last read. */
  #tail: Buffer = NOTHING;
  #output: Buffer = NOTHING;
  #outputLength = 0;

  constructor(
    port: number,
    protocolVersion: 4 | 5,
    createSink: (self: LoadConnection) => PacketSink,
    afterRead: () => void,
  ) {
    this.#hasProperties = protocolVersion === 5;
    this.#sink = createSink(this);
    this.#afterRead = afterRead;
    this.socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: sharedReadBuffer,
        callback: (length: number) => {
          this.#takeBytes(length);
          return true;
        },
      },
    });
    this.ended = new Promise((resolve) => {
      this.socket.on("close", () => resolve());
      this.socket.on("error", () => {});
    });
  }

  /** Appends bytes to what the next `flush` sends. */
  gather(bytes: Uint8Array): void {
    const offset = this.claim(bytes.length);
    this.#output.set(bytes, offset);
  }

  /** Makes room for `size` bytes of output and returns where they go in `output`. */
  claim(size: number): number {
    const offset = this.#outputLength;
    if (offset + size > this.#output.length) {
      const grown = Buffer.allocUnsafe(Math.max(OUTPUT_SLAB_BYTES, (offset + size) * 2));
      this.#output.copy(grown, 0, 0, offset);
      this.#output = grown;
    }
    this.#outputLength = offset + size;
    return offset;
  }

  get output(): Buffer {
    return this.#output;
  }

  /** One write of everything gathered. The socket owns that memory from then on. */
  flush(): void {
    if (this.#outputLength === 0) return;
    this.socket.write(this.#output.subarray(0, this.#outputLength));
    this.#output = this.#output.subarray(this.#outputLength);
    this.#outputLength = 0;
  }

  #takeBytes(length: number): void {
    let bytes = sharedReadBuffer;
    let end = length;
    if (this.#tail.length > 0) {
      bytes = Buffer.concat([this.#tail, sharedReadBuffer.subarray(0, length)]);
      end = bytes.length;
    }
    const done = walkPackets(bytes, { start: 0, end }, this.#hasProperties, this.#sink);
    this.#tail = done < end ? Buffer.from(bytes.subarray(done, end)) : NOTHING;
    this.flush();
    this.#afterRead();
  }
}
