/**
 * A worker thread that does nothing but obey the control protocol, for tests of the supervisor. Its
 * listeners are never opened; a free port becomes 40000 + the listener's position, a port that
 * another worker has bound is taken over.
 *
 * Tests steer it by BroadcastChannel, named after the node: { worker, action }. `node_name` may
 * also hold behaviours of a start: "listen-fails", "throws-at-start", "exits-at-start",
 * "never-ready", "never-drains", "reload-fails".
 */

import { BroadcastChannel, parentPort, workerData } from "node:worker_threads";
import type {
  ControlFromWorker,
  ControlToWorker,
  WorkerBoot,
} from "../../src/shared/protocol/worker-boot.ts";

export interface FakeWorkerCommand {
  readonly worker: number;
  readonly action: "throw" | "exit" | "report" | "store-fails";
}

/** Answer to "report": what the worker knows. */
export interface FakeWorkerReport {
  readonly worker: number;
  readonly incarnation: number;
  readonly replacedPeers: readonly number[];
  readonly maxConnections: number;
  readonly boundPorts: Readonly<Record<string, number>>;
}

const boot = workerData as WorkerBoot;
const port = parentPort!;
const replacedPeers: number[] = [];
let { config, boundPorts: knownPorts } = boot;

function send(message: ControlFromWorker): void {
  port.postMessage(message);
}

function behaves(word: string): boolean {
  return boot.config.nodeName.includes(word);
}

port.on("message", (message: ControlToWorker) => {
  if (message.type === "end") process.exit(0);
  if (message.type === "drain" && !behaves("never-drains")) {
    send({ type: "drained" });
    setImmediate(() => process.exit(0));
  }
  if (message.type === "reload") {
    config = message.config;
    send({ type: "reloaded", error: behaves("reload-fails") ? "no good" : null });
  }
  if (message.type === "listen") {
    knownPorts = message.boundPorts;
    listen(knownPorts);
  }
  if (message.type === "replace_peer") replacedPeers.push(message.peer);
});

const channel = new BroadcastChannel(boot.config.nodeName);
channel.onmessage = (event) => {
  const { data } = event as { data: FakeWorkerCommand };
  if (data.worker !== boot.threadIndex) return;
  if (data.action === "throw") setImmediate(() => explode());
  if (data.action === "exit") process.exit(7);
  if (data.action === "store-fails") send({ type: "store_failed", storeId: 3, error: "EIO" });
  if (data.action === "report") {
    const report: FakeWorkerReport = {
      worker: boot.threadIndex,
      incarnation: boot.incarnation,
      replacedPeers,
      maxConnections: config.limits.maxConnections,
      boundPorts: knownPorts,
    };
    channel.postMessage(report);
  }
};

function explode(): never {
  throw new Error(`bang in worker ${boot.threadIndex}`);
}

function listen(boundPorts: Readonly<Record<string, number>>): void {
  for (const [index, { id, port: wanted }] of boot.config.listeners.entries()) {
    const bound = wanted === 0 ? (boundPorts[id] ?? 40_000 + index) : wanted;
    send({ type: "listening", listenerId: id, port: bound });
  }
  send({ type: "ready" });
}

if (behaves("throws-at-start")) explode();
if (behaves("exits-at-start")) process.exit(3);
if (behaves("listen-fails")) {
  const [listener] = boot.config.listeners;
  send({ type: "listen_failed", listenerId: listener!.id, error: "bind: EADDRINUSE" });
} else if (!behaves("never-ready") && !boot.waitsToListen) {
  listen(boot.boundPorts);
}
