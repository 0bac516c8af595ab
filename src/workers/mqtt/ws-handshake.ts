/**
 * Which WebSocket upgrades become MQTT connections. Pure, and the same for both WebSocket libraries.
 */

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

/** `protocol`: the subprotocol to name in the response; `text`: body of a refusal. */
export type UpgradeAnswer =
  | { readonly status: 101; readonly protocol: string }
  | { readonly status: 400 | 403 | 404; readonly text: string };

/** "mqttv3.1" is what clients of MQTT 3.1 ask for; both carry any version. */
const SUBPROTOCOLS: readonly string[] = ["mqtt", "mqttv3.1"];

const REASONS = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
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
  // Browsers always send Origin, other clients rarely do: the list keeps foreign web pages out, not programs.
  const isForeign = request.origin !== "" && rules.allowedOrigins.length > 0;
  if (isForeign && !rules.allowedOrigins.includes(request.origin)) {
    return { status: 403, text: "Origin not allowed\n" };
  }
  const offered = request.protocols.split(",").map((name) => name.trim());
  const protocol = offered.find((name) => SUBPROTOCOLS.includes(name));
  if (protocol === undefined) {
    return { status: 400, text: "Sec-WebSocket-Protocol must offer mqtt\n" };
  }
  return { status: 101, protocol }; // [MQTT-6.0.0-4]
}

/** True when `target` without its query is exactly `path`. */
export function isListenerPath(target: string, path: string): boolean {
  const query = target.indexOf("?");
  return (query < 0 ? target : target.slice(0, query)) === path;
}
