/**
 * Opens one configured listener in one worker. Every worker opens all of them; the kernel spreads
 * connections. Thread: worker.
 */

import { createServer } from "node:net";
import { loadUws, type Uws } from "../../platform/uws-binding.ts";
import type { LimitsConfig, ListenerConfig } from "../../shared/config/config.ts";
import { DeadlineList } from "./accept-deadlines.ts";
import { AcceptGate } from "./accept-gate.ts";
import { LimitedLog, type LogCallback } from "./accept-log.ts";
import { ListenerFront } from "./listener-front.ts";
import { LINGER_MS, type ListenerLane } from "./listener-lane.ts";
import type { ChunkPool } from "./output-pool.ts";
import { listenShared, type PortSharing, portSharing } from "./reuse-port.ts";
import { loadLibC } from "./tcp-libc.ts";
import type { ConnectionAcceptor, Transport } from "./transport.ts";
import { UwsListener } from "./uws-listener.ts";

export interface ListenerDeps {
  /**
   * Called for each connection that passed its limits and handshakes; sets `transport.handler`
   * before it returns.
   */
  readonly acceptor: ConnectionAcceptor;
  /**
   * Called on the first `output.reserve` after the output was empty: flush this transport at the
   * end of the cycle.
   */
  readonly markDirty: (transport: Transport) => void;
  /** One per worker. */
  readonly pool: ChunkPool;
  /** The thread's row of the counter table. */
  readonly counters: Float64Array;
  /** All shared words. */
  readonly words: Int32Array;
  readonly limits: LimitsConfig;
  /** Position of the listener in the configuration: its word for the connection limit. */
  readonly listenerIndex: number;
  readonly log: LogCallback;
  /** 1..N. Where ports cannot be shared, only worker 1 accepts. */
  readonly threadIndex: number;
  /**
   * True while no other worker of this process listens on the port: then somebody else's listener
   * there is an error (EADDRINUSE). Port sharing would otherwise let two brokers split the clients
   * between them unnoticed.
   */
  readonly isFirst: boolean;
  /** For tests and emergencies: leave out what usually is chosen by what the machine offers. */
  readonly without?: readonly ("kernel-send" | "shared-read-buffer" | "port-sharing")[];
}

export interface Listener {
  /** The bound port. */
  readonly port: number;
  /** Stops accepting; connections stay. */
  stop(): void;
  /** Stops accepting and ends every connection at once. Must be awaited before the thread ends. */
  close(): Promise<void>;
  /**
   * Takes certificates, path, origins, PROXY setting and limits into use for connections to come;
   * host, port and protocol stay. Throws, and changes nothing, when a certificate cannot be used.
   */
  reload(config: ListenerConfig, limits: LimitsConfig): void;
}

/**
 * Rejects with an Error whose `code` is EADDRINUSE, EACCES, … or whose text names the broken
 * certificate or the missing library.
 */
export async function openListener(config: ListenerConfig, deps: ListenerDeps): Promise<Listener> {
  const without = deps.without ?? [];
  const sharing = without.includes("port-sharing") ? "none" : portSharing();
  if (sharing === "none" && deps.threadIndex !== 1) return idleListener(config, deps);
  if (deps.isFirst && config.port !== 0) await assertPortFree(config);
  const lane = newLane(config, deps);
  const { words, counters, limits } = deps;
  const gate = new AcceptGate(words, counters, deps, limits, config.maxConnections);
  const opened =
    config.websocketEngine === "uws"
      ? new UwsListener(requireUws(sharing), lane, gate, config)
      : new ListenerFront(lane, gate, config);
  const port = await opened.listen(sharing);
  return {
    port,
    stop: () => opened.stop(),
    close: async () => {
      lane.handshakes.expireAll();
      lane.lingering.expireAll();
      await opened.close();
    },
    reload: (newConfig, newLimits) => {
      opened.setConfig(newConfig);
      gate.setLimits(newLimits, newConfig.maxConnections);
      lane.limits = newLimits;
      lane.handshakes.setDuration(newLimits.connectTimeoutMs);
    },
  };
}

/** The configuration has been checked; what is left is a machine that changed since. */
function requireUws(sharing: PortSharing): Uws {
  const remedy = "set websocket_engine: builtin";
  if (sharing === "none") throw new Error(`uWebSockets.js needs shared ports; ${remedy}`);
  const uws = loadUws();
  if (uws === null) throw new Error(`uWebSockets.js does not load; ${remedy}`);
  return uws;
}

function newLane(config: ListenerConfig, deps: ListenerDeps): ListenerLane {
  const without = deps.without ?? [];
  const log = new LimitedLog(deps.log, () => performance.now());
  const handshakes: ListenerLane["handshakes"] = new DeadlineList(
    deps.limits.connectTimeoutMs,
    (socket) => {
      const remoteAddress = socket.remoteAddress ?? "";
      log.warn("handshake_timeout", { listener: config.id, peer: remoteAddress });
      socket.destroy();
    },
  );
  return {
    listenerId: config.id,
    protocol: config.protocol,
    acceptor: deps.acceptor,
    markDirty: deps.markDirty,
    pool: deps.pool,
    counters: deps.counters,
    log,
    limits: deps.limits,
    handshakes,
    lingering: new DeadlineList(LINGER_MS, (transport) => transport.destroy()),
    send: without.includes("kernel-send") ? null : (loadLibC()?.send ?? null),
    useSharedReadBuffer: !without.includes("shared-read-buffer"),
  };
}

/** Rejects with EADDRINUSE when any process listens there: this bind does not share. */
async function assertPortFree(config: ListenerConfig): Promise<void> {
  const server = createServer();
  await listenShared(server, config.host, config.port, "none");
  await new Promise((resolve) => server.close(resolve));
}

function idleListener(config: ListenerConfig, deps: ListenerDeps): Listener {
  deps.log("warn", "listener_not_shared", { listener: config.id, worker: deps.threadIndex });
  return { port: config.port, stop() {}, async close() {}, reload() {} };
}
