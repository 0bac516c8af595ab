/**
 * The command line of every benchmark, parsed: which values each parameter takes, and how it is
 * measured. A comma separates several values, and every combination becomes a case.
 */

import { parseArgs } from "node:util";
import type { TransportName } from "../load/load-shape.ts";
import { PAYLOAD_HEADER_BYTES } from "../load/payload.ts";
import type { CasePace } from "./case.ts";

export type PeerName = "mosquitto" | "mosquitto-autosave" | "aedes" | "write-loop";

/** Whether a broker gets a new process for every run, or one for all rounds of a case. */
export type Freshness = "run" | "case";

export interface PeerChoice {
  readonly name: PeerName;
  /** It takes part in so many rounds only; null = in all. */
  readonly rounds: number | null;
}

/** Undefined: as the scenario has it. */
export interface SuiteOptions {
  readonly scenario: string;
  /** What was typed; all else is as it usually is. */
  readonly given: ReadonlySet<OptionName>;
  readonly workers: readonly number[];
  readonly durability: readonly ("fsync" | "os")[];
  readonly qos: readonly (0 | 1 | 2)[] | undefined;
  readonly payloadBytes: readonly number[] | undefined;
  readonly publishers: readonly number[] | undefined;
  readonly subscribers: readonly number[] | undefined;
  readonly items: readonly number[] | undefined;
  readonly protocolVersion: readonly (4 | 5)[] | undefined;
  readonly transport: readonly TransportName[];
  readonly paces: readonly CasePace[] | undefined;
  /** Null: mosquitto if it is installed. */
  readonly peers: readonly PeerChoice[] | null;
  readonly broker: { readonly host: string; readonly port: number; readonly pid: number } | null;
  readonly rounds: number;
  readonly durationSeconds: number | undefined;
  readonly warmUpSeconds: number;
  readonly fresh: Freshness;
  readonly processes: number | undefined;
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
/** MQTT has so many packet identifiers per connection. */
const LARGEST_WINDOW = 65_535;
const LARGEST_PORT = 65_535;
const PUBLISHED_KINDS: readonly string[] = ["share", "persistent"];
/** The smallest payload holds what a delivery is checked by; the largest is what MQTT can carry. */
const PAYLOAD_LIMITS = [PAYLOAD_HEADER_BYTES, 268_000_000] as const;
const PEERS: readonly PeerName[] = ["mosquitto", "aedes", "write-loop", "mosquitto-autosave"];

const ARGUMENTS = {
  workers: { type: "string", default: "1" },
  durability: { type: "string", default: "fsync" },
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
  fresh: { type: "string", default: "run" },
  processes: { type: "string" },
  client: { type: "string", default: "raw" },
  scale: { type: "string" },
  json: { type: "string", default: "" },
  profile: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

export type OptionName = keyof typeof ARGUMENTS;

/** Throws a UsageError that names the option and what it takes. */
export function parseOptions(args: readonly string[]): SuiteOptions {
  const { values, positionals, tokens } = parseStrictly(args);
  const names = tokens.flatMap((token) => (token.kind === "option" ? [token.name] : []));
  const given = new Set(names as OptionName[]);
  const scenario = scenarioName(positionals);
  assertOurs(values.broker, given);
  const rates = values.rate?.split(",").map(parseRate) ?? [];
  const windows = within("window", optionalCounts("window", values.window) ?? [], [
    1,
    LARGEST_WINDOW,
  ]);
  const closed = windows.map((window): CasePace => ({ kind: "closed", window }));
  const paces = [...rates, ...closed];
  return {
    scenario,
    given,
    workers: counts("workers", values.workers),
    durability: list(values.durability, "durability", { fsync: "fsync", os: "os" } as const),
    qos: optional(values.qos, (text) => list(text, "qos", { "0": 0, "1": 1, "2": 2 } as const)),
    payloadBytes: optional(values.payload, (text) =>
      within("payload", counts("payload", text), PAYLOAD_LIMITS),
    ),
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
    rounds: whole("rounds", values.rounds),
    durationSeconds: optional(values.duration, (text) => positive("duration", text)),
    warmUpSeconds: positive("warm-up", values["warm-up"]),
    fresh: list(values.fresh, "fresh", { run: "run", case: "case" } as const)[0]!,
    processes: optional(values.processes, (text) => whole("processes", text)),
    client: list(values.client, "client", { raw: "raw", mqtt: "mqtt" } as const)[0]!,
    scale: optional(values.scale, (text) => positive("scale", text)),
    json: values.json,
    profile: values.profile,
    help: values.help,
  };
}

function parseStrictly(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: ARGUMENTS,
      allowPositionals: true,
      tokens: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Published names may be written as they were published: "share 100k_1000". */
function scenarioName([first = "", second, ...others]: readonly string[]): string {
  if (second === undefined) return first;
  const [surplus] = PUBLISHED_KINDS.includes(first) && /^\d/.test(second) ? others : [second];
  if (surplus !== undefined) throw new UsageError(`"${surplus}": one scenario at a time`);
  return `${first}_${second}`;
}

/** Settings of our broker mean nothing to one that runs already. */
function assertOurs(broker: string | undefined, given: ReadonlySet<OptionName>): void {
  if (broker === undefined && given.has("broker-pid")) {
    throw new UsageError("--broker-pid is that of a --broker HOST:PORT");
  }
  const settings = (["workers", "durability", "profile"] as const).find((name) => given.has(name));
  if (broker === undefined || settings === undefined) return;
  throw new UsageError(`--${settings} is a setting of our broker, not of the one at ${broker}`);
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

/** The numbers, all of them from lowest to highest. */
function within(
  option: string,
  values: number[],
  [lowest, highest]: readonly [number, number],
): number[] {
  const wrong = values.find((value) => value < lowest || value > highest);
  if (wrong === undefined) return values;
  throw new UsageError(`--${option} ${wrong}: from ${lowest} to ${highest}`);
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`--${option} ${text}: a whole number above 0`);
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

/** "mosquitto", or "aedes:2": in the first two rounds only. */
function parsePeers(text: string | undefined): PeerChoice[] | null {
  if (text === undefined) return null;
  if (text === "none") return [];
  return text.split(",").map((word) => {
    const [first, rounds] = word.split(":", 2);
    const name = PEERS.find((peer) => peer === first);
    if (name !== undefined) {
      return { name, rounds: rounds === undefined ? null : whole("peer", rounds) };
    }
    throw new UsageError(`--peer ${word}: none, or some of ${PEERS.join(", ")}`);
  });
}

function parseBroker(text: string | undefined, pid: string): SuiteOptions["broker"] {
  if (text === undefined) return null;
  const match = /^(?:mqtt:\/\/)?(.+):(\d+)$/.exec(text);
  if (match === null) throw new UsageError(`--broker ${text}: host:port, as in 127.0.0.1:1883`);
  const host = match[1]!.replace(/^\[(.*)\]$/, "$1");
  const port = Number(match[2]);
  if (port < 1 || port > LARGEST_PORT) {
    throw new UsageError(`--broker ${text}: a port from 1 to ${LARGEST_PORT}`);
  }
  if (!/^\d+$/.test(pid)) throw new UsageError(`--broker-pid ${pid}: the number of a process`);
  return { host, port, pid: Number(pid) };
}
