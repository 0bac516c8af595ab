/**
 * What a load is, and what running it tells. Plain data: it crosses the process boundary.
 *
 *   fan-out     every publisher writes to one topic that every subscriber has subscribed to
 *   fan-in      publisher i writes to topic i, every subscriber has one filter with a wildcard over all of them
 *   pairs       publisher i writes to topic i, which one subscriber has subscribed to
 *   shared      publishers write to topics of their own, all subscribers are members of one shared subscription
 *   wildcard    `filters` distinct filters spread over the subscribers, and one more subscriber with "#" over all;
 *               publishers walk through the topics, each of which matches one filter and the "#"
 *
 * Pace: in a closed loop each publisher keeps `window` publishes outstanding, and one counts as
 * complete when all its deliveries have arrived (and, above QoS 0, its own handshake is over). So
 * the figure is what the broker completes, not what it swallows. In an open loop publishes have
 * their times whatever the broker does, and latency counts from those times: a stall is not hidden
 * by the generator waiting politely.
 */

import type { Percentiles } from "./latency.ts";

export type PatternName = "fan-out" | "fan-in" | "pairs" | "shared" | "wildcard";

export type Pace =
  | { readonly kind: "closed"; readonly window: number }
  /** Over all publishers together. */
  | { readonly kind: "open"; readonly publishesPerSecond: number };

export interface LoadShape {
  readonly pattern: PatternName;
  readonly publishers: number;
  readonly subscribers: number;
  /** "wildcard" only; elsewhere 0. */
  readonly filters: number;
  readonly qos: 0 | 1 | 2;
  readonly payloadBytes: number;
  readonly protocolVersion: 4 | 5;
  readonly pace: Pace;
  /** Subscribers keep a stored session (no clean session). */
  readonly isPersistent: boolean;
}

export type TransportName = "tcp" | "tls" | "ws";

/** Where the broker under test listens. */
export interface LoadTarget {
  readonly host: string;
  readonly port: number;
  readonly transport: TransportName;
  /** TLS: the certificate authority to trust, PEM. */
  readonly ca: string;
  /** The broker's process, for its CPU time; 0 = unknown, or on another machine. */
  readonly pid: number;
}

/**
 * CPU time and memory of the broker in the measured interval; null where its process is unknown.
 */
export interface BrokerUsage {
  readonly userMicros: number;
  readonly systemMicros: number;
}

/** What one generator process counted. */
export interface GeneratorCounts {
  /** Of the measured interval. */
  readonly seconds: number;
  /** Deliveries, connects, take-overs, ... in the measured interval. */
  readonly operations: number;
  readonly ownCpuMicros: number;
  readonly broker: BrokerUsage | null;
  readonly check: DeliveryCheck;
  /** Absent: the run had an end of its own. */
  readonly unfinished?: Unfinished;
  /** An encoded LatencyHistogram, microseconds. */
  readonly latency: string;
  /** The same of PUBACK and PUBCOMP, of runs that watch for them. */
  readonly acknowledgement?: string;
  /** Figures of this kind of run alone, by name; several processes add up. */
  readonly figures: Readonly<Record<string, number>>;
}

/** Over the whole run, warm-up and wind-down included. */
export interface DeliveryCheck {
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  /** Delivered again although nobody had reconnected. */
  readonly repeated: number;
  /** Delivered after a later message of the same publisher and topic [MQTT-4.6.0-6]. */
  readonly disordered: number;
  readonly corrupt: number;
}

/** What was not over when the run ended: figures with any of it say nothing of the broker. */
export interface Unfinished {
  /** Publishes whose time had come, and that the generator has not sent. */
  readonly unsent: number;
  /** Deliveries that did not come, while others still came long after the last publish. */
  readonly late: number;
}

/** A run over all its generator processes. */
export interface LoadResult {
  readonly seconds: number;
  readonly operations: number;
  readonly perSecond: number;
  readonly latency: Percentiles;
  /** The encoded histogram behind `latency`. */
  readonly histogram: string;
  /** From the intended sending to PUBACK or PUBCOMP: an encoded histogram. */
  readonly acknowledgement?: string;
  /** Null where the broker's process is unknown. */
  readonly broker: BrokerCost | null;
  /** 0..1 of one core, of the busiest generator process. */
  readonly generatorShare: number;
  /**
   * Cores that neither the broker nor the generators used: above a few hundredths the machine was
   * not ours alone.
   */
  readonly othersCores: number;
  readonly check: DeliveryCheck;
  readonly unfinished?: Unfinished;
  readonly figures: Readonly<Record<string, number>>;
}

export interface BrokerCost {
  readonly userMicrosPerOperation: number;
  readonly systemMicrosPerOperation: number;
  /** Cores kept busy, user and system. */
  readonly cores: number;
  /** Largest resident set so far, MiB. */
  readonly peakMiB: number;
  readonly threads: number;
}

/** CPU-microseconds per operation, user and system; -1 = unknown. */
export function cpuMicrosPerOperation(result: LoadResult): number {
  const { broker } = result;
  return broker === null ? -1 : broker.userMicrosPerOperation + broker.systemMicrosPerOperation;
}
