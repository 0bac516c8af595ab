/**
 * The admin server: /livez, /readyz and /metrics over plain HTTP, on loopback unless configured
 * otherwise.
 *
 *   /livez    200 while this thread's event loop turns
 *   /readyz   200 when workers serve, 503 while starting or draining; the JSON body says what is missing
 *   /metrics  Prometheus text
 *
 * Thread: main. It answers from memory and never waits for a worker.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { WorkerCounts } from "../worker-pool.ts";
import type { BrokerMetrics } from "./broker-metrics.ts";
import { formatMetrics, METRICS_CONTENT_TYPE } from "./metrics-text.ts";

export type BrokerPhase = "starting" | "serving" | "draining";

export interface AdminSources {
  readonly phase: () => BrokerPhase;
  readonly workers: () => WorkerCounts;
  readonly metrics: BrokerMetrics;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Enough for a few scrapers and probes; a flood of connections must not take memory from clients.
 */
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;
const JSON_TYPE = "application/json; charset=utf-8";

export class AdminServer {
  readonly #server: Server;
  readonly #sources: AdminSources;

  constructor(sources: AdminSources) {
    this.#sources = sources;
    this.#server = createServer(
      { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => this.#handle(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("clientError", refuseGarbage);
  }

  /** Resolves with the port; rejects with the system's error. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Stops listening and ends open connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    // A body is never wanted; reading it to its end keeps the connection usable.
    request.resume();
    const answer = this.#answer(request);
    response.writeHead(answer.status, {
      "content-type": answer.type,
      "content-length": Buffer.byteLength(answer.body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...(answer.status === 405 ? { allow: "GET, HEAD" } : {}),
    });
    response.end(request.method === "HEAD" ? "" : answer.body);
  }

  #answer(request: IncomingMessage): Answer {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const produce = this.#routes[path];
    if (produce === undefined || !Object.hasOwn(this.#routes, path)) {
      const known = Object.keys(this.#routes).join(" ");
      return { status: 404, type: "text/plain", body: `not found; there is ${known}\n` };
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, type: "text/plain", body: "only GET and HEAD\n" };
    }
    return produce();
  }

  readonly #routes: Readonly<Record<string, () => Answer>> = {
    "/livez": () => json(200, { status: "alive" }),
    "/readyz": () => this.#readiness(),
    "/metrics": () => ({
      status: 200,
      type: METRICS_CONTENT_TYPE,
      body: formatMetrics(this.#sources.metrics.collect()),
    }),
  };

  /**
   * Ready as long as one worker serves: taking a node out because of one crashed thread would
   * double the damage.
   */
  #readiness(): Answer {
    const phase = this.#sources.phase();
    const workers = this.#sources.workers();
    const isReady = phase === "serving" && workers.ready > 0;
    const status = phase === "serving" && !isReady ? "no_worker" : phase;
    return json(isReady ? 200 : 503, { status, workers });
  }
}

function json(status: number, value: unknown): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

/** What is no HTTP gets a short answer and the end of the connection. */
function refuseGarbage(_error: Error, socket: Socket): void {
  if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
  else socket.destroy();
}
