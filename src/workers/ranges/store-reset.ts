/**
 * Makes a whole store anew that nothing can be written to, with the ranges that it was born with
 * (bootstrap-plan.ts): ranges that were cut off since are theirs again. What a service must not
 * forget is read from the old one, as far as it can be. Nobody serves any of it meanwhile. Thread:
 * worker.
 */

import { bootstrapPlan } from "../../shared/range/bootstrap-plan.ts";
import type { RangeDescriptor, RangeId } from "../../shared/range/range-descriptor.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import type { LogStore, RangeRecord } from "../store/log-store.ts";
import type { RenewedStore } from "../store/renew-store.ts";
import type { RangeService } from "./range-host-api.ts";
import type { StoreTurn } from "./store-turn.ts";

/** Puts a store that `fill` has filled in the place of `old`; see renew-store.ts. */
export type RenewStore = (
  storeId: number,
  old: LogStore,
  fill: (store: LogStore) => Promise<void>,
) => Promise<RenewedStore>;

export interface StoreReset {
  readonly storeCount: number;
  readonly service: (service: ServiceId) => RangeService | null;
  readonly renewStore: RenewStore;
  /** The record of a new range. */
  readonly born: (range: RangeDescriptor) => RangeRecord;
}

/** Resolves when the turn has the new store; its ranges are not open yet. */
export async function resetStore(turn: StoreTurn, reset: StoreReset) {
  const { storeCount, service, renewStore, born } = reset;
  const { storeId, store: old } = turn;
  const versions = old.opened.map(({ record }) => record?.descriptor.boundaryVersion ?? 0);
  // What was routed by the bounds of an old range is routed again.
  const boundaryVersion = Math.max(1, ...versions) + 1;
  const ranges = bootstrapPlan(storeCount)
    .filter((range) => range.storeId === storeId)
    .map((range) => ({ ...range, boundaryVersion }));
  const renewals = ranges.map((range) => service(range.service)?.renew?.(range) ?? null);
  for (const [at, renewal] of renewals.entries()) {
    if (renewal === null) continue;
    await old.seeState(ranges[at]!, (key, value) => renewal.see(key, value));
  }
  const { store, oldFolder } = await renewStore(storeId, old, async (fresh) => {
    for (const [at, range] of ranges.entries()) {
      const writer = fresh.state(range.service);
      for (const { key, value } of renewals[at]?.rows() ?? []) writer.put(key, value);
      fresh.putRecord(born(range));
      // It does not have its routes, and must not count as whole.
      if (range.service === ServiceId.DIST) fresh.noteRenewal(range.id);
    }
    await fresh.commit();
  });
  turn.replaceStore(store);
  const lowestId = Math.max(0, ...renewals.map((renewal) => renewal?.lowestId ?? 0));
  const isGone = (id: RangeId) => ranges.every((range) => range.id !== id);
  const gone = old.opened.map(({ id }) => id).filter(isGone);
  return { oldFolder, lowestId, gone };
}
