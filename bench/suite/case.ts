/**
 * What is run: a case is one scenario with one value for every parameter; results name their case.
 */

import type { RunningServer } from "../contenders/contender.ts";
import type { LoadResult, Pace, TransportName } from "../load/load-shape.ts";

/**
 * "share" of its own maximum: a closed loop first finds what each broker can do, then an open loop
 * runs at that share of it, so that brokers of different speed are compared under the same strain.
 */
export type CasePace =
  | Pace
  | { readonly kind: "share"; readonly share: number; readonly window: number };

export interface CaseParameters {
  readonly publishers: number;
  readonly subscribers: number;
  /** Distinct filters, retained messages: whatever the scenario has many of besides clients. */
  readonly items: number;
  readonly qos: 0 | 1 | 2;
  readonly payloadBytes: number;
  readonly protocolVersion: 4 | 5;
  readonly transport: TransportName;
  readonly pace: CasePace;
  readonly isPersistent: boolean;
}

export interface BenchCase {
  readonly scenario: string;
  /** Unique within a run; says every parameter that differs between its cases. */
  readonly name: string;
  /** What is counted: "deliveries", "connects", ... */
  readonly unit: string;
  readonly parameters: CaseParameters;
}

/** One measurement of one case on one freshly started server. */
export interface CaseRun {
  readonly parameters: CaseParameters;
  readonly server: RunningServer;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /**
   * Before memory of idle connections is read: garbage collections of an idle process come late.
   */
  readonly settleMs: number;
  readonly processes: number;
  /** "mqtt": the npm package as client, to check ourselves. */
  readonly client: "raw" | "mqtt";
}

/** Values of every parameter that a scenario runs with unless told otherwise. */
export interface ScenarioDefaults {
  readonly publishers: number;
  readonly subscribers: number;
  readonly items?: number;
  readonly qos?: 0 | 1 | 2;
  readonly payloadBytes?: number;
  readonly protocolVersion?: 4 | 5;
  readonly pace: CasePace;
  readonly isPersistent?: boolean;
  /** Seconds. */
  readonly duration?: number;
}

/** A figure that others published for the same scenario. */
export interface PublishedFigure {
  readonly messagesPerSecond: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  /** 0..1 of all cores of the machine. */
  readonly cpuShare: number;
  readonly cores: number;
  readonly source: string;
}

export interface Scenario {
  readonly name: string;
  /** One line for the list of scenarios. */
  readonly summary: string;
  readonly unit: string;
  readonly defaults: ScenarioDefaults;
  readonly published?: PublishedFigure;
  /** Only servers with an HTTP server can run it. */
  readonly needsHttp?: boolean;
  measure(run: CaseRun): Promise<LoadResult>;
}
