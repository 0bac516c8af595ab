/**
 * The command line of every benchmark, parsed: which values each parameter takes, and how it is
 * measured. A comma separates several values, and every combination becomes a case.
 */

import { parseArgs } from "node:util";
import type { TransportName } from "../load/load-shape.ts";
import type { CasePace } from "./case.ts";

export type PeerName = "mosquitto" | "aedes" | "write-loop";

/** Undefined: as the scenario has it. */
export interface SuiteOptions {
  readonly scenario: string;
  readonly workers: readonly number[];
  readonly qos: readonly (0 | 1 | 2)[] | undefined;
  readonly payloadBytes: readonly number[] | undefined;
  readonly publishers: readonly number[] | undefined;
  readonly subscribers: readonly number[] | undefined;
  readonly items: readonly number[] | undefined;
  readonly protocolVersion: readonly (4 | 5)[] | undefined;
  readonly transport: readonly TransportName[];
  readonly paces: readonly CasePace[] | undefined;
  /** Null: mosquitto if it is installed. */
  readonly peers: readonly PeerName[] | null;
  readonly broker: { readonly host: string; readonly port: number; readonly pid: number } | null;
  readonly rounds: number;
  readonly durationSeconds: number | undefined;
  readonly warmUpSeconds: number;
  readonly processes: number;
  readonly client: "raw" | "mqtt";
  /** Undefined: published scenarios as large as this machine's share of theirs. */
  readonly scale: number | undefined;
  readonly json: string;
  readonly profile: boolean;
  readonly help: boolean;
}

/** A mistake on the command line: the text is for the one who typed it. */
export class UsageError extends Error {}

const DEFAULT_ROUNDS = 5;
const DEFAULT_PROBE_WINDOW = 64;
const PEERS: readonly PeerName[] = ["mosquitto", "aedes", "write-loop"];

const ARGUMENTS = {
  workers: { type: "string", default: "1" },
  qos: { type: "string" },
  payload: { type: "string" },
  publishers: { type: "string" },
  subscribers: { type: "string" },
  items: { type: "string" },
  protocol: { type: "string" },
  transport: { type: "string", default: "tcp" },
  rate: { type: "string" },
  window: { type: "string" },
  peer: { type: "string" },
  broker: { type: "string" },
  "broker-pid": { type: "string", default: "0" },
  rounds: { type: "string", default: String(DEFAULT_ROUNDS) },
  duration: { type: "string" },
  "warm-up": { type: "string", default: "1" },
  processes: { type: "string", default: "1" },
  client: { type: "string", default: "raw" },
  scale: { type: "string" },
  json: { type: "string", default: "" },
  profile: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** Throws a UsageError that names the option and what it takes. */
export function parseOptions(args: readonly string[]): SuiteOptions {
  const { values, positionals } = parseStrictly(args);
  const rates = values.rate?.split(",").map(parseRate) ?? [];
  const windows = optionalCounts("window", values.window) ?? [];
  const closed = windows.map((window): CasePace => ({ kind: "closed", window }));
  const paces = [...rates, ...closed];
  return {
    scenario: positionals[0] ?? "",
    workers: counts("workers", values.workers),
    qos: optional(values.qos, (text) => list(text, "qos", { "0": 0, "1": 1, "2": 2 } as const)),
    payloadBytes: optionalCounts("payload", values.payload),
    publishers: optionalCounts("publishers", values.publishers),
    subscribers: optionalCounts("subscribers", values.subscribers),
    items: optionalCounts("items", values.items),
    protocolVersion: optional(values.protocol, (text) =>
      list(text, "protocol", { "4": 4, "5": 5 } as const),
    ),
    transport: list(values.transport, "transport", { tcp: "tcp", tls: "tls", ws: "ws" } as const),
    paces: paces.length === 0 ? undefined : paces,
    peers: parsePeers(values.peer),
    broker: parseBroker(values.broker, values["broker-pid"]),
    rounds: positive("rounds", values.rounds),
    durationSeconds: optional(values.duration, (text) => positive("duration", text)),
    warmUpSeconds: positive("warm-up", values["warm-up"]),
    processes: positive("processes", values.processes),
    client: list(values.client, "client", { raw: "raw", mqtt: "mqtt" } as const)[0]!,
    scale: optional(values.scale, (text) => positive("scale", text)),
    json: values.json,
    profile: values.profile,
    help: values.help,
  };
}

function parseStrictly(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: ARGUMENTS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function optional<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}

/** One of the words, several separated by commas. */
function list<T extends string | number>(
  text: string,
  option: string,
  words: Readonly<Record<string, T>>,
): T[] {
  return text.split(",").map((word) => {
    const value = Object.hasOwn(words, word) ? words[word] : undefined;
    if (value !== undefined) return value;
    throw new UsageError(`--${option} ${word}: one of ${Object.keys(words).join(", ")}`);
  });
}

function optionalCounts(option: string, text: string | undefined): number[] | undefined {
  return optional(text, (present) => counts(option, present));
}

/** "100", "2k", several separated by commas. */
function counts(option: string, text: string): number[] {
  return text.split(",").map((word) => {
    const match = /^(\d+(?:\.\d+)?)(k?)$/.exec(word);
    const count = match === null ? 0 : Math.round(Number(match[1]) * (match[2] === "k" ? 1000 : 1));
    if (count > 0) return count;
    throw new UsageError(`--${option} ${word}: a number above 0, as in 500 or 2k`);
  });
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`--${option} ${text}: a number above 0`);
}

/** Publishes per second over all publishers, or a share of each broker's own maximum. */
function parseRate(text: string): CasePace {
  if (text.endsWith("%")) {
    const share = positive("rate", text.slice(0, -1)) / 100;
    return { kind: "share", share, window: DEFAULT_PROBE_WINDOW };
  }
  return { kind: "open", publishesPerSecond: counts("rate", text)[0]! };
}

function parsePeers(text: string | undefined): PeerName[] | null {
  if (text === undefined) return null;
  if (text === "none") return [];
  return text.split(",").map((word) => {
    const peer = PEERS.find((name) => name === word);
    if (peer !== undefined) return peer;
    throw new UsageError(`--peer ${word}: none, or some of ${PEERS.join(", ")}`);
  });
}

function parseBroker(text: string | undefined, pid: string): SuiteOptions["broker"] {
  if (text === undefined) return null;
  const match = /^(?:mqtt:\/\/)?(.+):(\d+)$/.exec(text);
  if (match === null) throw new UsageError(`--broker ${text}: host:port, as in 127.0.0.1:1883`);
  const host = match[1]!.replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(match[2]), pid: Number(pid) };
}
