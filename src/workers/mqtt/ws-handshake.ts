/**
 * Which WebSocket upgrades become MQTT connections, and what is answered. Pure.
 *
 * `answerUpgrade` holds MQTT's and the operator's rules, the same for both engines.
 * `answerHandshake` adds those of RFC 6455 §4.2, which uWebSockets.js checks by itself.
 */

import { createHash } from "node:crypto";
import { type ConnectionOrigin, isLoopbackAddress } from "./accept-address.ts";

/** What of the request decides. Header values are "" when absent. */
export interface UpgradeRequest {
  /** Request target, with its query if there is one. */
  readonly target: string;
  /** Sec-WebSocket-Protocol. */
  readonly protocols: string;
  readonly origin: string;
}

export interface UpgradeRules {
  readonly path: string;
  /** Empty = any. */
  readonly allowedOrigins: readonly string[];
}

/**
 * `protocol`: the subprotocol to name in the response; `text`: body of a refusal. `isForeignPage`:
 * a web page of another machine asks, through a browser that may run on this one.
 */
export type UpgradeAnswer =
  | { readonly status: 101; readonly protocol: string; readonly isForeignPage: boolean }
  | { readonly status: RefusalStatus; readonly text: string };
type RefusalStatus = 400 | 403 | 404 | 405 | 426;

/** The whole request; header values are "" when absent. */
export interface HandshakeRequest extends UpgradeRequest {
  readonly method: string;
  readonly upgrade: string;
  /** Sec-WebSocket-Version. */
  readonly version: string;
  /** Sec-WebSocket-Key. */
  readonly key: string;
}

/** "mqttv3.1" is what clients of MQTT 3.1 ask for; both carry any version. */
const SUBPROTOCOLS: readonly string[] = ["mqtt", "mqttv3.1"];

const VERSION = "13";
/** 16 bytes in base64. */
const KEY_SHAPE = /^[A-Za-z0-9+/]{22}==$/;
/** What proves to a client that it talks to a WebSocket server, RFC 6455 §1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const REASONS = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  426: "Upgrade Required",
  503: "Service Unavailable",
};

/** "404 Not Found", as in a status line. */
export function statusText(status: keyof typeof REASONS): string {
  return `${status} ${REASONS[status]}`;
}

export function answerUpgrade(request: UpgradeRequest, rules: UpgradeRules): UpgradeAnswer {
  if (!isListenerPath(request.target, rules.path)) {
    return { status: 404, text: "No MQTT at this path\n" };
  }
  // Browsers always send Origin, other clients rarely do: the list keeps foreign web pages out, not
  // programs.
  const isBrowser = request.origin !== "";
  const hasList = rules.allowedOrigins.length > 0;
  if (isBrowser && hasList && !rules.allowedOrigins.includes(request.origin)) {
    return { status: 403, text: "Origin not allowed\n" };
  }
  const offered = request.protocols.split(",").map((name) => name.trim());
  const protocol = offered.find((name) => SUBPROTOCOLS.includes(name));
  if (protocol === undefined) {
    return { status: 400, text: "Sec-WebSocket-Protocol must offer mqtt\n" };
  }
  const isForeignPage = isBrowser && !hasList && !isLocalOrigin(request.origin);
  return { status: 101, protocol, isForeignPage }; // [MQTT-6.0.0-4]
}

/** True for the Origin of a page that this machine itself serves. */
function isLocalOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const host = new URL(origin).hostname;
  return host === "localhost" || isLoopbackAddress(host.replace(/^\[|\]$/g, ""));
}

/**
 * Where an upgraded connection counts as coming from. The browser that shows a foreign page may
 * well run on the broker's machine: that must not make the page a local client, who needs no
 * credentials.
 */
export function upgradedOrigin(
  origin: ConnectionOrigin,
  answer: Extract<UpgradeAnswer, { status: 101 }>,
): ConnectionOrigin {
  return answer.isForeignPage ? { ...origin, isLoopback: false } : origin;
}

/** True when `target` without its query is exactly `path`. */
export function isListenerPath(target: string, path: string): boolean {
  const query = target.indexOf("?");
  return (query < 0 ? target : target.slice(0, query)) === path;
}

/** As `answerUpgrade`, for a request of which nothing but its HTTP has been checked. */
export function answerHandshake(request: HandshakeRequest, rules: UpgradeRules): UpgradeAnswer {
  const answer = answerUpgrade(request, rules);
  if (answer.status !== 101) return answer;
  if (request.method !== "GET") return { status: 405, text: "WebSocket begins with GET\n" };
  if (request.upgrade.toLowerCase() !== "websocket") {
    return { status: 400, text: "Upgrade must be websocket\n" };
  }
  if (request.version !== VERSION) {
    return { status: 426, text: `Sec-WebSocket-Version must be ${VERSION}\n` };
  }
  if (!KEY_SHAPE.test(request.key)) {
    return { status: 400, text: "Sec-WebSocket-Key must be 16 bytes in base64\n" };
  }
  return answer;
}

/** The response that turns HTTP into WebSocket. */
export function acceptHead(key: string, protocol: string): string {
  const accept = createHash("sha1")
    .update(key + ACCEPT_SUFFIX)
    .digest("base64");
  return [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${protocol}`, // [MQTT-6.0.0-4]
    "\r\n",
  ].join("\r\n");
}

/** The head of the response that ends the connection; `text`, in ASCII, is its body. */
export function refusalHead(status: RefusalStatus, text: string): string {
  return [
    `HTTP/1.1 ${statusText(status)}`,
    "Connection: close",
    ...(status === 426 ? ["Upgrade: websocket", `Sec-WebSocket-Version: ${VERSION}`] : []),
    ...(status === 405 ? ["Allow: GET"] : []),
    "Content-Type: text/plain",
    `Content-Length: ${text.length}`,
    "\r\n",
  ].join("\r\n");
}
