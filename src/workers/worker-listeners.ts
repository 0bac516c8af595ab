/**
 * All listeners of one worker. Thread: worker. Scope: one per worker.
 */

import type { Log } from "../platform/log.ts";
import type { BrokerConfig, ListenerConfig } from "../shared/config/config.ts";
import type { ControlFromWorker, WorkerBoot } from "../shared/protocol/worker-boot.ts";
import { type Listener, openListener } from "./mqtt/listener.ts";
import { ChunkPool } from "./mqtt/output-pool.ts";
import type { ConnectionAcceptor, Transport } from "./mqtt/transport.ts";

export interface WorkerListenersOptions {
  readonly boot: WorkerBoot;
  readonly counters: Float64Array;
  readonly words: Int32Array;
  readonly log: Log;
  readonly report: (message: ControlFromWorker) => void;
  readonly acceptor: ConnectionAcceptor;
  readonly markDirty: (transport: Transport) => void;
}

export class WorkerListeners {
  readonly #options: WorkerListenersOptions;
  readonly #pool = new ChunkPool();
  readonly #listeners = new Map<string, Listener>();
  #config: BrokerConfig;

  constructor(options: WorkerListenersOptions) {
    this.#options = options;
    this.#config = options.boot.config;
  }

  /**
   * `boundPorts`: by listener id, ports of the configuration's free ones that are taken already.
   * False when one could not be opened; that has been reported, and the thread is about to be
   * ended.
   */
  async open(boundPorts: Readonly<Record<string, number>>): Promise<boolean> {
    const { boot, report } = this.#options;
    for (const [listenerIndex, config] of boot.config.listeners.entries()) {
      try {
        const port = boundPorts[config.id] ?? config.port;
        const listener = await this.#open({ ...config, port }, listenerIndex);
        this.#listeners.set(config.id, listener);
        report({ type: "listening", listenerId: config.id, port: listener.port });
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        report({ type: "listen_failed", listenerId: config.id, error: text });
        return false;
      }
    }
    return true;
  }

  /**
   * Takes certificates, limits and rules into use for connections to come. Throws, with everything
   * as before, when one listener refuses; returns what undoes it all.
   */
  reload(config: BrokerConfig): () => void {
    const previous = this.#config;
    const apply = (target: BrokerConfig) => {
      for (const listenerConfig of target.listeners) {
        this.#listeners.get(listenerConfig.id)?.reload(listenerConfig, target.limits);
      }
      this.#config = target;
    };
    try {
      apply(config);
    } catch (error) {
      apply(previous);
      throw error;
    }
    return () => apply(previous);
  }

  stop(): void {
    for (const listener of this.#listeners.values()) listener.stop();
  }

  /** Ends every connection. A worker must not end while a listener is open. */
  async close(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
    this.#listeners.clear();
  }

  #open(config: ListenerConfig, listenerIndex: number): Promise<Listener> {
    const { boot, counters, words, log, acceptor, markDirty } = this.#options;
    return openListener(config, {
      acceptor,
      markDirty,
      pool: this.#pool,
      counters,
      words,
      limits: boot.config.limits,
      listenerIndex,
      log: (level, event, fields) => log[level](event, fields),
      threadIndex: boot.threadIndex,
      // Main has probed every address before it started workers.
      isFirst: false,
    });
  }
}
