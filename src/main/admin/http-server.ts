/**
 * The admin server: plain HTTP, on loopback unless configured otherwise.
 *
 *   /livez      200 while this thread's event loop turns
 *   /readyz     200 when workers serve, 503 while starting, draining, or routes of stored sessions
 *               are missing; the JSON body says what is missing, also when some stored data is
 *               damaged and the rest is served
 *   /metrics    Prometheus text
 *   /v1/ranges    range-routes.ts
 *   /v1/sessions  session-routes.ts
 *
 * What changes something refuses browsers: a page that somebody visits must not steer a broker on
 * the same machine. Thread: main. Probes are answered from memory and never wait for a worker.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { NodeRanges } from "../ranges/node-ranges.ts";
import type { WorkerCounts } from "../worker-pool.ts";
import { type Answer, errorAnswer, jsonAnswer } from "./answer.ts";
import type { BrokerMetrics } from "./broker-metrics.ts";
import { formatMetrics, METRICS_CONTENT_TYPE } from "./metrics-text.ts";
import {
  answerRangeRequest,
  RANGE_ROUTES,
  type RangeRequest,
  STORE_ROUTES,
} from "./range-routes.ts";
import { readBody } from "./read-body.ts";
import { answerSessionRequest, type EndSession, SESSION_ROUTES } from "./session-routes.ts";

export type BrokerPhase = "starting" | "serving" | "draining";

export interface AdminSources {
  readonly phase: () => BrokerPhase;
  readonly workers: () => WorkerCounts;
  readonly metrics: BrokerMetrics;
  /** Null until the data folder is open. */
  readonly ranges: () => NodeRanges | null;
  readonly endSession: EndSession;
}

/**
 * Enough for a few scrapers and probes; a flood of connections must not take memory from clients.
 */
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;
const API_ROUTES: readonly string[] = [RANGE_ROUTES, STORE_ROUTES, SESSION_ROUTES];

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
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const routes = API_ROUTES.find((root) => path === root || path.startsWith(`${root}/`));
    if (routes !== undefined) {
      void this.#answerApi(request, path, routes).then((answer) => send(request, response, answer));
      return;
    }
    // A body is never wanted; reading it to its end keeps the connection usable.
    request.resume();
    send(request, response, this.#answer(request, path));
  }

  #answer(request: IncomingMessage, path: string): Answer {
    const produce = this.#routes[path];
    if (produce === undefined || !Object.hasOwn(this.#routes, path)) {
      const known = Object.keys(this.#routes).join(" ");
      return {
        status: 404,
        type: "text/plain",
        body: `not found; there is ${known} ${API_ROUTES.join(" ")}\n`,
      };
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, type: "text/plain", body: "only GET and HEAD\n" };
    }
    return produce();
  }

  async #answerApi(request: IncomingMessage, path: string, routes: string): Promise<Answer> {
    const { method = "GET" } = request;
    // Browsers say where such a request comes from; nobody else has a reason to.
    if (method !== "GET" && method !== "HEAD" && request.headers.origin !== undefined) {
      request.resume();
      return errorAnswer(403, "forbidden", "not for browsers");
    }
    const body = await readBody(request).catch(() => null);
    if (body === null) return errorAnswer(413, "too_large", "the body is too long");
    const answer = await this.#produce(routes, { method, path, body });
    return answer ?? errorAnswer(404, "not_found", `see ${routes}`);
  }

  async #produce(routes: string, request: RangeRequest): Promise<Answer | null> {
    if (routes === SESSION_ROUTES) {
      return await answerSessionRequest(this.#sources.endSession, request);
    }
    const ranges = this.#sources.ranges();
    if (ranges === null) return errorAnswer(503, "starting", "ranges are not open yet");
    return await answerRangeRequest(ranges, request);
  }

  readonly #routes: Readonly<Record<string, () => Answer>> = {
    "/livez": () => jsonAnswer(200, { status: "alive" }),
    "/readyz": () => this.#readiness(),
    "/metrics": () => ({
      status: 200,
      type: METRICS_CONTENT_TYPE,
      body: formatMetrics(this.#sources.metrics.collect()),
    }),
  };

  /**
   * Ready as long as one worker serves: taking a node out because of one crashed thread would
   * double the damage. So would it for damaged data and for a full disk: the body says "degraded",
   * and what else the node has is served. Without all routes nothing of QoS 1 and 2 is taken, which
   * is not to serve.
   */
  #readiness(): Answer {
    const phase = this.#sources.phase();
    const workers = this.#sources.workers();
    const groups = this.#sources.ranges()?.groups ?? null;
    const damaged = [...(groups?.damaged.keys() ?? [])];
    const isReady = phase === "serving" && workers.ready > 0;
    const isDiskFull = groups?.isDiskFull ?? false;
    const faults = { damaged_ranges: damaged, disk_full: isDiskFull };
    if (isReady && groups?.areRoutesWhole === false) {
      return jsonAnswer(503, { status: "routes_missing", workers, ...faults });
    }
    if (isReady && (damaged.length > 0 || isDiskFull)) {
      return jsonAnswer(200, { status: "degraded", workers, ...faults });
    }
    const status = phase === "serving" && !isReady ? "no_worker" : phase;
    return jsonAnswer(isReady ? 200 : 503, { status, workers });
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, type, body }: Answer,
): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 405 && type === "text/plain" ? { allow: "GET, HEAD" } : {}),
  });
  response.end(request.method === "HEAD" ? "" : body);
}

/** What is no HTTP gets a short answer and the end of the connection. */
function refuseGarbage(_error: Error, socket: Socket): void {
  if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
  else socket.destroy();
}
