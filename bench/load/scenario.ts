/**
 * What a load is, and what running it tells. Plain data: it crosses the process boundary as JSON.
 *
 *   fan-out       every publisher writes to one topic that every subscriber has subscribed to
 *   own topics    publisher i writes to topic i, subscriber i has subscribed to it alone
 *
 * The loop is closed: each publisher keeps `inFlight` publishes outstanding, and one counts as completed when every
 * expected delivery of it has arrived (and, above QoS 0, its own handshake is over). So the figure is what the broker
 * completes, not what it swallows, and nothing piles up in its queues.
 */

export interface Scenario {
  readonly name: string;
  readonly topology: "fan-out" | "own-topics";
  readonly publishers: number;
  readonly subscribers: number;
  readonly qos: 0 | 1 | 2;
  readonly inFlight: number;
  readonly payloadBytes: number;
  readonly protocolVersion: 4 | 5;
}

export interface LoadTask {
  readonly scenario: Scenario;
  readonly port: number;
  /** The broker's process id, for its CPU time; 0 = unknown. */
  readonly brokerPid: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Distinguishes client ids and topics of several generator processes. */
  readonly prefix: string;
}

export interface LoadResult {
  /** Of the measured interval. */
  readonly seconds: number;
  readonly deliveries: number;
  readonly deliveriesPerSecond: number;
  /** User and system time of the broker process per delivery; -1 = unknown. */
  readonly brokerCpuMicrosPerDelivery: number;
  /** Cores the broker kept busy. */
  readonly brokerCores: number;
  /** 0..1 of one core. Above MAX_GENERATOR_SHARE the run measures the generator. */
  readonly generatorShare: number;
  /** Over the whole run, warm-up and wind-down included. */
  readonly published: number;
  readonly lost: number;
  /** Deliveries whose sequence number was not above the last one of that publisher and subscriber. */
  readonly repeated: number;
  /** Deliveries that skipped at least one sequence number. */
  readonly gaps: number;
}

export const MAX_GENERATOR_SHARE = 0.85;
/** A server that is busy for so much of a core is the limit itself, however busy the generator is. */
export const SATURATED_CORES = 0.95;

/** True when the figures may be used: the server was the limit, and every message came once and in order. */
export function isValid(result: LoadResult): boolean {
  const isServerTheLimit = result.brokerCores >= SATURATED_CORES;
  return (isServerTheLimit || result.generatorShare <= MAX_GENERATOR_SHARE) && isCorrect(result);
}

export function isCorrect(result: LoadResult): boolean {
  return result.lost === 0 && result.repeated === 0 && result.gaps === 0;
}

const BASE = { payloadBytes: 64, protocolVersion: 4 } as const;
const FAN_OUT = { ...BASE, topology: "fan-out", publishers: 1, subscribers: 500 } as const;
const PAIRS = { ...BASE, topology: "own-topics", publishers: 100, subscribers: 100 } as const;

/** The loads of the speed table that the broker is held to. */
export const SPEED_TABLE: readonly Scenario[] = [
  { ...FAN_OUT, name: "1 -> 500, QoS 0, 64 in flight", qos: 0, inFlight: 64 },
  { ...FAN_OUT, name: "1 -> 500, QoS 0, 1 in flight", qos: 0, inFlight: 1 },
  { ...FAN_OUT, name: "1 -> 500, QoS 1, 64 in flight", qos: 1, inFlight: 64 },
  { ...PAIRS, name: "100 -> 100 own topics, QoS 0, 16 in flight", qos: 0, inFlight: 16 },
  { ...PAIRS, name: "100 -> 100 own topics, QoS 1, 16 in flight", qos: 1, inFlight: 16 },
];
