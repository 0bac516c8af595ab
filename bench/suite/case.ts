/**
 * What is run: a case is one scenario with one value for every parameter; results name their case.
 */

import type { RunningServer } from "../contenders/contender.ts";
import type { LoadResult, Pace, TransportName } from "../load/load-shape.ts";
import type { RunTiming, WindowWatch } from "../load/run-generators.ts";
import type { OptionName } from "./options.ts";

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

/** Before memory of idle connections is read: garbage collections of an idle process come late. */
export const SETTLE_SECONDS = 5;

export interface BenchCase {
  readonly scenario: string;
  /** Unique within a run; says every parameter that differs between its cases. */
  readonly name: string;
  /** What is counted: "deliveries", "connects", ... */
  readonly unit: string;
  readonly parameters: CaseParameters;
}

/**
 * What earlier rounds of a case found out about one broker: its maximum is looked for once, because
 * that takes as long as a round.
 */
export interface FoundBefore {
  /** Publishes per second over all publishers; null = not looked for yet. */
  maximum: number | null;
}

/** One measurement of one case on one server. */
export interface CaseRun {
  readonly parameters: CaseParameters;
  readonly server: RunningServer;
  /** Another process of the same broker; null: there is only this one. The caller stops it. */
  readonly startAnother: (() => Promise<RunningServer>) | null;
  readonly found: FoundBefore;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** As SETTLE_SECONDS; tests take less. */
  readonly settleMs: number;
  readonly processes: number;
  /** "mqtt": the npm package as client, to check ourselves. */
  readonly client: "raw" | "mqtt";
  /** Told of the measured interval. */
  readonly watch?: WindowWatch;
}

/** The measured interval of a run that goes on until it is told to stop. */
export function timedRun({ warmUpMs, durationMs, watch }: CaseRun): RunTiming {
  return { warmUpMs, measureMs: durationMs, ...(watch ? { watch } : {}) };
}

/** That of a run with an end of its own. */
export function wholeRun({ watch }: CaseRun): RunTiming {
  return { warmUpMs: 0, measureMs: null, ...(watch ? { watch } : {}) };
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
  /** Generator processes, 1 unless told. */
  readonly processes?: number;
}

/** What `--rate N`, `--window N` and `--rate N%` become. */
export type PaceKind = CasePace["kind"];

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
  /** It measures memory, or leaves sessions behind: each run needs a new process. */
  readonly needsFreshServer?: boolean;
  /** Brokers run with persistence, and it means nothing at QoS 0. */
  readonly isStored?: boolean;
  /** A second process of the same broker is its control. */
  readonly hasControl?: boolean;
  /** Its deliveries have their times whatever the pace, which is that of something else. */
  readonly isOpenLoop?: boolean;
  /**
   * Options that mean nothing to it, and why; those that its defaults rule out go without saying.
   */
  readonly ignores?: Readonly<Partial<Record<OptionName, string>>>;
  /** 1 unless told. */
  readonly fewestSubscribers?: number;
  /** How it can be paced; where others would mean nothing they are refused. */
  readonly paces: readonly PaceKind[];
  /** `--client mqtt` has nothing to check elsewhere. */
  readonly takesMqttClient: boolean;
  /**
   * Seconds of a run on two cores, beyond its measured ones, warm-up and connecting: for the
   * estimate of how long all takes.
   */
  readonly extraSeconds?: (parameters: CaseParameters, durationSeconds: number) => number;
  measure(run: CaseRun): Promise<LoadResult>;
}
