/**
 * Whether the figures of a run may be used.
 *
 *   valid     the broker was the limit, or nobody was
 *   at least  the generator was over 85 % busy, and so was the broker: it does this much or more
 *   void      the generator was the limit, or nothing arrived in the measured time
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

/** `threads`: those of the broker that carry load. */
export function validityOf(result: LoadResult, qos: number, threads: number): Validity {
  if (faultsOf(result.check, qos) !== "") return "failed";
  if (result.operations === 0) return "void";
  if (result.generatorShare <= MAX_GENERATOR_SHARE) return "valid";
  const cores = result.broker?.cores ?? 0;
  return cores >= SATURATED_SHARE * threads ? "at least" : "void";
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
