/**
 * One MQTT connection of the load generator, over TCP, TLS or WebSocket: reads into a buffer shared
 * by all connections of the process, and gathers what it has to say until `flush`.
 *
 * Sharing the read buffer is safe: the kernel fills it and the callback empties it in one go; only
 * the beginning of a packet whose end has not arrived is copied to the connection.
 */

import { connect as connectTcp, type OnReadOpts, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions as TlsOptions } from "node:tls";
import { type AckType, writeAck } from "../../src/shared/mqtt/encode-ack.ts";
import { loadLibC } from "../../src/workers/mqtt/tcp-libc.ts";
import { type PacketSink, walkPackets } from "./client-codec.ts";
import { nowMicros, readClock } from "./clock.ts";
import type { LoadTarget } from "./load-shape.ts";
import type { RingClient, RingReader } from "./ring-reader.ts";
import {
  endOfUpgrade,
  FrameStripper,
  MAX_FRAME_HEADER_BYTES,
  upgradeRequest,
  writeFrameHeader,
} from "./ws-carrier.ts";

const ACK_BYTES = 4;
/** Large, so that a busy broker costs us few system calls. */
const READ_BUFFER_BYTES = 512 * 1024;
const sharedReadBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
const NOTHING = Buffer.alloc(0);
/** Acknowledgements of many reads fit before the next allocation. */
const OUTPUT_SLAB_BYTES = 8 * 1024;
/** Below the 28,232 ports that Linux hands out per pair of addresses. */
const CONNECTIONS_PER_ADDRESS = 25_000;

/** Reads between two requests to the kernel to acknowledge late; it forgets after a while. */
const READS_PER_LATE_ACK = 16;
const IPPROTO_TCP = 6;
const TCP_QUICKACK = 12;

/** `send` costs a quarter of what `socket.write` does, and generators write a lot. */
const libC = loadLibC();

type SocketWithHandle = Socket & { readonly _handle: { readonly fd?: number } | null };

let opened = 0;

export interface ConnectionOptions {
  readonly target: LoadTarget;
  readonly hasProperties: boolean;
  readonly createSink: (self: LoadConnection) => PacketSink;
  /**
   * Called after each read, when the sink has seen its packets and the connection has been flushed.
   */
  readonly afterRead: () => void;
  /** Reads plain TCP in place of the socket; null = the socket reads. */
  readonly reader: RingReader | null;
}

export class LoadConnection implements RingClient {
  readonly socket: Socket;
  /** Resolves when the socket is gone, whoever closed it. */
  readonly ended: Promise<void>;
  isEnded = false;
  readonly #options: ConnectionOptions;
  readonly #sink: PacketSink;
  /** Null unless this is a WebSocket. */
  readonly #frames: FrameStripper | null;
  /** False until the handshakes below MQTT are over; output waits for it. */
  #isOpen: boolean;
  /** The incomplete packet at the end of the last read, or the incomplete answer to the upgrade. */
  #tail: Buffer = NOTHING;
  #output: Buffer = NOTHING;
  /** output[outputStart..outputEnd) is gathered; before it is room for a frame header. */
  #outputStart = 0;
  #outputEnd = 0;
  /** Of the reader, once it reads. */
  #watched = -1;
  #reads = 0;

  constructor(options: ConnectionOptions) {
    const { transport, host, port } = options.target;
    this.#options = options;
    this.#sink = options.createSink(this);
    this.#frames = transport === "ws" ? new FrameStripper() : null;
    this.#isOpen = transport === "tcp";
    this.socket = openSocket(options.target, (length) => {
      this.#takeBytes(sharedReadBuffer, length);
    });
    if (this.#isOpen && options.reader !== null) this.#readByRing(options.reader);
    if (transport === "ws") this.socket.write(upgradeRequest(host, port));
    if (transport === "tls") this.socket.on("secureConnect", () => this.#open());
    this.ended = new Promise((resolve) => {
      this.socket.on("close", () => {
        this.isEnded = true;
        resolve();
      });
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
    const offset = this.#outputEnd;
    if (offset + size > this.#output.length) return this.#grow(size);
    this.#outputEnd = offset + size;
    return offset;
  }

  /** Gathers PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(type: AckType, packetId: number): void {
    const offset = this.claim(ACK_BYTES);
    writeAck(this.#output, offset, type, packetId, 0);
  }

  /** What the next `flush` sends, borrowed. */
  get gathered(): Uint8Array {
    return this.#output.subarray(this.#outputStart, this.#outputEnd);
  }

  /** Bytes that the kernel has not taken yet. */
  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  /**
   * One write of everything gathered: straight to the kernel where that is possible, else by the
   * socket, which owns that memory from then on.
   */
  flush(): void {
    const length = this.#outputEnd - this.#outputStart;
    if (length === 0 || !this.#isOpen) return;
    let start = this.#outputStart;
    if (this.#frames !== null) start = writeFrameHeader(this.#output, start, length);
    start += this.#send(start);
    if (start === this.#outputEnd) {
      this.#outputStart = MAX_FRAME_HEADER_BYTES;
      this.#outputEnd = MAX_FRAME_HEADER_BYTES;
      return;
    }
    this.socket.write(this.#output.subarray(start, this.#outputEnd));
    this.#outputStart = Math.min(this.#outputEnd + MAX_FRAME_HEADER_BYTES, this.#output.length);
    this.#outputEnd = this.#outputStart;
  }

  /** Closes with a reset, so that neither end keeps the port waiting: runs open many thousands. */
  abort(): void {
    if (this.#watched >= 0) this.#options.reader?.unwatch(this.#watched);
    this.#watched = -1;
    // A TLS socket cannot be reset from here.
    if (this.#options.target.transport === "tls") this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** For the reader, as is the next one. */
  handleRead(bytes: Buffer, size: number): void {
    if (this.#reads % READS_PER_LATE_ACK === 0) this.#acknowledgeLate();
    this.#reads += 1;
    this.#takeBytes(bytes, size);
  }

  handleReadEnd(): void {
    this.#watched = -1;
    this.socket.destroy();
  }

  #readByRing(reader: RingReader): void {
    // A paused socket does not begin to read when it is connected.
    this.socket.pause();
    this.socket.on("connect", () => {
      const fd = (this.socket as SocketWithHandle)._handle?.fd ?? -1;
      if (fd >= 0) this.#watched = reader.watch(fd, this);
    });
  }

  /**
   * A TCP segment back for every read would be half of what reading costs, and it is the same for
   * every broker.
   */
  #acknowledgeLate(): void {
    const fd = (this.socket as SocketWithHandle)._handle?.fd ?? -1;
    if (fd >= 0) libC?.setOption(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
  }

  /** Returns how many bytes from `start` on the kernel has taken; 0 where only the socket can. */
  #send(start: number): number {
    if (libC === null || this.#options.target.transport === "tls") return 0;
    const { socket } = this;
    // What the socket still holds goes first. A socket that is closed has no handle.
    const fd = (socket as SocketWithHandle)._handle?.fd ?? -1;
    if (fd < 0 || socket.connecting || socket.writableLength > 0) return 0;
    const bytes = this.#output.subarray(start, this.#outputEnd);
    return Math.max(0, libC.send(fd, bytes, bytes.length));
  }

  #grow(size: number): number {
    const gathered = this.#output.subarray(this.#outputStart, this.#outputEnd);
    const needed = (gathered.length + size) * 2 + MAX_FRAME_HEADER_BYTES;
    this.#output = Buffer.allocUnsafe(Math.max(OUTPUT_SLAB_BYTES, needed));
    this.#outputStart = MAX_FRAME_HEADER_BYTES;
    gathered.copy(this.#output, this.#outputStart);
    const offset = this.#outputStart + gathered.length;
    this.#outputEnd = offset + size;
    return offset;
  }

  #open(): void {
    this.#isOpen = true;
    this.flush();
  }

  #takeBytes(read: Buffer, length: number): void {
    readClock.micros = nowMicros();
    let start = 0;
    let end = length;
    if (!this.#isOpen) {
      start = this.#takeUpgrade(length);
      if (start < 0) return;
    }
    if (this.#frames !== null) end = this.#stripFrames(this.#frames, start, length);
    let bytes = read;
    if (this.#tail.length > 0) {
      bytes = Buffer.concat([this.#tail, read.subarray(start, end)]);
      start = 0;
      end = bytes.length;
    }
    const range = { start, end };
    const sink = this.#sink;
    const done =
      sink.takeChunk?.(bytes, range) ??
      walkPackets(bytes, range, this.#options.hasProperties, sink);
    this.#tail = done < end ? Buffer.from(bytes.subarray(done, end)) : NOTHING;
    this.flush();
    this.#options.afterRead();
  }

  /** Offset behind the answer to the upgrade, once it is complete; -1 before. */
  #takeUpgrade(length: number): number {
    const known = this.#tail.length;
    const head = Buffer.concat([this.#tail, sharedReadBuffer.subarray(0, length)]);
    const end = endOfUpgrade(head, head.length);
    this.#tail = end < 0 ? head : NOTHING;
    if (end < 0) return -1;
    this.#open();
    return end - known;
  }

  #stripFrames(frames: FrameStripper, start: number, end: number): number {
    const stripped = frames.strip(sharedReadBuffer, start, end);
    for (const reply of frames.replies) this.socket.write(reply);
    frames.replies.length = 0;
    return stripped;
  }
}

function openSocket(target: LoadTarget, takeBytes: (length: number) => void): Socket {
  const onread: OnReadOpts = {
    buffer: sharedReadBuffer,
    callback: (length: number) => {
      takeBytes(length);
      return true;
    },
  };
  const { host, port } = target;
  const localAddress = localAddressFor(host);
  const local = localAddress === "" ? {} : { localAddress };
  if (target.transport !== "tls")
    return connectTcp({ host, port, noDelay: true, onread, ...local });
  // `onread` is documented for TLS as well (Node 12.17), but missing from the type declarations.
  const tls = { ca: target.ca, servername: "localhost", onread } as TlsOptions;
  const socket = connectTls({ host, port, ...local, ...tls });
  socket.setNoDelay(true);
  return socket;
}

/**
 * The loopback network has 16 million addresses: runs with more connections than ports use several.
 */
function localAddressFor(host: string): string {
  const turn = Math.floor(opened / CONNECTIONS_PER_ADDRESS);
  opened += 1;
  return host === "127.0.0.1" && turn > 0 ? `127.0.1.${turn}` : "";
}
