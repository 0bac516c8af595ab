/** Clients that connect, over the generator processes of a run. */

import type { ConnectTask } from "../load/connect-run.ts";
import type { CaseParameters, CaseRun } from "./case.ts";

/** Connects per second that any broker here reaches: for estimates of time only. */
const USUAL_RATE = { tcp: 4_000, ws: 2_500, tls: 700 } as const;

/** Until all are connected, on two cores: for estimates of time only. */
export function connectSeconds({ subscribers, transport }: CaseParameters): number {
  return subscribers / USUAL_RATE[transport];
}

/** `connections` over the run's generator processes: each gets its part, and none gets nothing. */
export function connectTasks(
  run: CaseRun,
  connections: number,
  changes: Partial<ConnectTask>,
): ConnectTask[] {
  const { pace, protocolVersion } = run.parameters;
  if (pace.kind === "share") throw new Error("connecting has no share of a maximum: give a number");
  const processes = Math.min(run.processes, connections);
  const share = (index: number) =>
    Math.floor(connections / processes) + (index < connections % processes ? 1 : 0);
  return Array.from({ length: processes }, (_none, index) => ({
    kind: "connect",
    target: run.server.target,
    prefix: `bench-connect-${index}`,
    connections: share(index),
    pace:
      pace.kind === "closed"
        ? { kind: "closed", window: Math.ceil(pace.window / processes) }
        : { kind: "open", publishesPerSecond: pace.publishesPerSecond / processes },
    protocolVersion,
    subscribes: false,
    connectIn: "window",
    delayMs: 0,
    settleMs: run.settleMs,
    ...changes,
  }));
}
