/**
 * Whether the figures of a run may be used.
 *
 *   valid     the broker was the limit, or nobody was
 *   at least  the generator was over 85 % busy, and so was the broker: it does this much or more
 *   void      the figures say nothing of the broker: the generator was the limit, or could not send
 *             what was due; nothing was measured; or at QoS 0 so much was dropped that the
 *             percentiles of the rest are not those of the load
 *   failed    messages were lost above QoS 0, or came twice, out of order or damaged
 *
 * "At least" is sound because it errs against the broker with the larger figure: a broker that uses
 * all of its cores while it waits for the generator now and then would do no less with a faster
 * generator.
 */

import type { DeliveryCheck, LoadResult } from "./load-shape.ts";

export type Validity = "valid" | "at least" | "void" | "failed";

export const MAX_GENERATOR_SHARE = 0.85;
/** Of the cores that the broker's threads could use. */
const SATURATED_SHARE = 0.95;
/** With more lost at QoS 0 the 99th percentile of all that was sent is unknown. */
const MAX_LOST_SHARE = 0.01;

/** `threads`: those of the broker that carry load. */
export function validityOf(result: LoadResult, qos: number, threads: number): Validity {
  if (faultsOf(result.check, qos) !== "") return "failed";
  if (voidReasonOf(result, threads) !== "") return "void";
  return isGeneratorBusy(result) ? "at least" : "valid";
}

/** Why the figures of a run that has not failed may not be used, or "". */
export function voidReasonOf(result: LoadResult, threads: number): string {
  const { generatorShare, broker } = result;
  const gap = gapOf(result);
  if (gap !== "") return gap;
  const cores = broker?.cores ?? 0;
  if (!isGeneratorBusy(result) || cores >= SATURATED_SHARE * threads) return "";
  const beside = broker === null ? "" : ` while the broker used ${cores.toFixed(2)} cores`;
  return `the generator was the limit: ${showPercent(generatorShare)} busy${beside}`;
}

/** What is missing, so that not even a bound can be read from the figures, or "". */
export function gapOf({ check, unfinished, operations, latency }: LoadResult): string {
  if (unfinished !== undefined && unfinished.unsent > 0) {
    return `${unfinished.unsent} publishes could not be sent when they were due`;
  }
  if (unfinished !== undefined && unfinished.late > 0) {
    return `${unfinished.late} deliveries were still to come long after the last publish`;
  }
  if (check.lost > check.expected * MAX_LOST_SHARE) {
    return `${showPercent(check.lost / check.expected)} of the deliveries were lost`;
  }
  if (operations === 0) return "nothing arrived in the measured time";
  return latency.count === 0 ? "nothing that was sent in the measured time arrived" : "";
}

function isGeneratorBusy({ generatorShare }: LoadResult): boolean {
  return generatorShare > MAX_GENERATOR_SHARE;
}

function showPercent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

/**
 * What went wrong with deliveries, or "". Brokers may drop at QoS 0 (MQTT5 §4.3.1); that is only
 * reported.
 */
export function faultsOf(check: DeliveryCheck, qos: number): string {
  const faults = [
    check.lost !== 0 && qos > 0 ? `${check.lost} lost` : "",
    check.repeated > 0 ? `${check.repeated} repeated` : "",
    check.disordered > 0 ? `${check.disordered} out of order` : "",
    check.corrupt > 0 ? `${check.corrupt} damaged` : "",
  ];
  return faults.filter((fault) => fault !== "").join(", ");
}
