/**
 * Puts an empty range in the place of a damaged one; what the store had of it goes into a file.
 *
 * For sessions and retained messages only when somebody says so, because they are lost to the
 * broker. Routes are in the ranges of sessions too: a damaged range of routes is made anew without
 * being told, and every worker asks for the routes that its sessions want. Until all are there none
 * of it counts: workers know that routes are missing, and after a crash the range is set aside
 * still (workers/store/damage-notes.ts), so that it all begins again.
 *
 *   routes     RESET -> RENEW -> opened -> TELL_ROUTES to every worker -> KEEP -> routes are whole
 *   sessions   RESET -> DROP_ROUTES to every worker -> RENEW -> KEEP -> opened
 *   retained   RESET -> RENEW -> KEEP -> opened
 *   a store    RESET_STORE -> opened; of sessions: DROP_ROUTES; its range of routes as any other
 *
 * Whatever ends midway leaves the range set aside, to be reset once more.
 *
 * Thread: main. Scope: one per process.
 */

import type { Log } from "../../platform/log.ts";
import { bootstrapPlan } from "../../shared/range/bootstrap-plan.ts";
import {
  compareKeys,
  NO_RANGE,
  type RangeDescriptor,
  type RangeId,
} from "../../shared/range/range-descriptor.ts";
import { gapsBetween } from "../../shared/range/range-gaps.ts";
import { ServiceId } from "../../shared/range/service-id.ts";
import { storeThread } from "../../shared/range/store-placement.ts";
import { RangeChangeError } from "./range-change-error.ts";
import type { DamagedRange, RangeGroups } from "./range-groups.ts";
import type { RangeLifeCycle } from "./range-life-cycle.ts";
import type { RangeRequests } from "./range-requests.ts";

/** After an attempt that failed for a reason that a worker's return does not take away. */
const RETRY_MS = 10_000;

export interface RangeResetsOptions {
  readonly groups: RangeGroups;
  readonly requests: RangeRequests;
  readonly lifeCycle: RangeLifeCycle;
  readonly storeCount: number;
  readonly log: Log;
  /** Wall clock. */
  readonly nowMs: () => number;
}

export class RangeResets {
  readonly #options: RangeResetsOptions;
  /** Ranges of routes that were made anew, and lack routes. */
  readonly #untold = new Set<RangeId>();
  #isTelling = false;
  #retryAtMs = 0;

  constructor(options: RangeResetsOptions) {
    this.#options = options;
    options.groups.addListener({ published: () => this.#repairRoutes() });
  }

  /** Every 100 ms. */
  tick(): void {
    this.#repairRoutes();
  }

  /** Puts an empty range in the place of a damaged one. */
  reset(id: RangeId): Promise<void> {
    return this.#options.lifeCycle.oneAtATime(async () => {
      const damaged = this.#damaged(id);
      const range = this.#whatItWas(damaged);
      if (range.service === ServiceId.DIST) {
        throw new RangeChangeError("conflict", this.#whyNotRoutes(id));
      }
      await this.#makeAnew(range);
    });
  }

  /**
   * Puts an empty store in the place of one of which nothing is served, with the ranges that it was
   * born with. The way out when its log is damaged: then no single range can be made anew.
   */
  resetStore(storeId: number): Promise<void> {
    return this.#options.lifeCycle.oneAtATime(async () => {
      const { groups, requests, lifeCycle, log, storeCount } = this.#options;
      const lost = this.#damagedStore(storeId);
      const thread = storeThread(storeId, groups.workerCount);
      const { isDone, text, number } = await requests.resetStore(thread, storeId, storeCount);
      if (!isDone) {
        const reason = text || "ask again";
        throw new RangeChangeError("conflict", `store ${storeId} is not made anew: ${reason}`);
      }
      const born = bootstrapPlan(storeCount).filter((range) => range.storeId === storeId);
      groups.forgetDamaged(lost.filter((id) => born.every((range) => range.id !== id)));
      log.warn("store_reset", { store: storeId, ranges: born.map(({ id }) => id), folder: text });
      // Those of routes are made anew by themselves.
      const served = born.filter(({ service }) => service !== ServiceId.DIST);
      await lifeCycle.until(() => served.every(({ id }) => this.#isServed(id)));
      for (const range of served) {
        if (range.service === ServiceId.INBOX) await this.#dropRoutes(range, number);
      }
    });
  }

  /** The damaged ranges of a store that has no others. */
  #damagedStore(storeId: number): RangeId[] {
    const { groups, storeCount } = this.#options;
    if (storeId > storeCount) {
      throw new RangeChangeError("not_found", `there is no store ${storeId}`);
    }
    if (!groups.isServing) {
      throw new RangeChangeError("conflict", "ranges are being opened or changed; try again");
    }
    const ofStore = (range: { readonly storeId: number }) => range.storeId === storeId;
    const damaged = [...groups.damaged.values()].filter(ofStore).map(({ id }) => id);
    if (damaged.length === 0) {
      throw new RangeChangeError("not_damaged", `store ${storeId} is not damaged`);
    }
    const served = [...groups.groups.values()].map(({ descriptor }) => descriptor).filter(ofStore);
    if (served.length === 0) return damaged;
    const ids = served.map(({ id }) => id).join(", ");
    const text = `store ${storeId} serves ${ids}: reset its damaged ranges ${damaged.join(", ")}`;
    throw new RangeChangeError("conflict", text);
  }

  #isServed(id: RangeId): boolean {
    const { directory } = this.#options.groups;
    return directory.get(id) !== null && !directory.isDamaged(id);
  }

  /** Of the sessions that are lost: a shared group would go on choosing them. */
  async #dropRoutes(range: RangeDescriptor, lowestId: number): Promise<void> {
    const { groups, requests } = this.#options;
    for (let thread = 1; thread <= groups.workerCount; thread++) {
      if (await requests.dropRoutes(thread, range, lowestId)) continue;
      const text = `range ${range.id} is not made anew: routes of its lost sessions are left; ask again`;
      throw new RangeChangeError("conflict", text);
    }
  }

  #damaged(id: RangeId): DamagedRange {
    const { groups } = this.#options;
    const damaged = groups.damaged.get(id);
    if (damaged !== undefined && groups.isServing) return damaged;
    if (damaged !== undefined) {
      throw new RangeChangeError("conflict", "ranges are being opened or changed; try again");
    }
    if (!groups.groups.has(id)) throw new RangeChangeError("not_found", `there is no range ${id}`);
    throw new RangeChangeError("not_damaged", `range ${id} is not damaged`);
  }

  #whyNotRoutes(id: RangeId): string {
    const sessions = this.#damagedSessions();
    if (sessions.length === 0) return `range ${id} holds routes and is being made anew by itself`;
    const text = `range ${id} holds routes, and is made anew by itself when no range of sessions is`;
    return `${text} damaged, because those know the routes: reset ${sessions.join(", ")} first`;
  }

  /** Ranges that hold, or may hold, sessions. */
  #damagedSessions(): RangeId[] {
    const damaged = [...this.#options.groups.damaged.values()];
    return damaged.filter((range) => this.#mayHoldSessions(range)).map(({ id }) => id);
  }

  #mayHoldSessions(damaged: DamagedRange): boolean {
    if (damaged.descriptor !== null) return damaged.descriptor.service === ServiceId.INBOX;
    return (
      this.#guess(damaged)?.service !== ServiceId.DIST && this.#gaps(ServiceId.INBOX).length > 0
    );
  }

  /** Its bounds; of one without a readable record those that nobody else has. */
  #whatItWas(damaged: DamagedRange): RangeDescriptor {
    const range = damaged.descriptor ?? this.#guess(damaged);
    if (range !== null) {
      const boundaryVersion = range.boundaryVersion + 1;
      return { ...range, boundaryVersion, mergingInto: NO_RANGE };
    }
    const text = `what range ${damaged.id} held cannot be told, because its record cannot be read`;
    throw new RangeChangeError("unclear", `${text} and more than one could fill the gap`);
  }

  /** As at the first start if there is such a gap, else the only gap if there is only one. */
  #guess({ id, storeId }: DamagedRange): RangeDescriptor | null {
    const services = [ServiceId.DIST, ServiceId.INBOX, ServiceId.RETAIN];
    const gaps = services.flatMap((service) => {
      return this.#gaps(service).map((gap) => ({ ...gap, service }));
    });
    const planned = bootstrapPlan(this.#options.storeCount).find((range) => range.id === id);
    const isOpen = (plan: RangeDescriptor) =>
      gaps.some((gap) => {
        const isBehindStart = compareKeys(gap.start, plan.start) <= 0;
        return gap.service === plan.service && isBehindStart && reaches(gap.end, plan.end);
      });
    if (planned !== undefined && isOpen(planned)) return { ...planned, storeId };
    const [gap] = gaps;
    const unknown = [...this.#options.groups.damaged.values()].filter(
      ({ descriptor }) => descriptor === null,
    );
    if (gap === undefined || gaps.length > 1 || unknown.length > 1) return null;
    return { ...gap, id, storeId, boundaryVersion: 0, mergingInto: NO_RANGE, absorbedId: NO_RANGE };
  }

  /** Keys that no range has whose record can be read. */
  #gaps(service: ServiceId) {
    const { groups, damaged } = this.#options.groups;
    const known = [...groups.values(), ...damaged.values()].map(({ descriptor }) => descriptor);
    return gapsBetween(
      service,
      known.filter((descriptor) => descriptor !== null),
    );
  }

  /** Resolves when the range is served, empty. */
  async #makeAnew(range: RangeDescriptor): Promise<void> {
    const { groups, requests, lifeCycle, log } = this.#options;
    const { id } = range;
    const thread = storeThread(range.storeId, groups.workerCount);
    const { isDone, text, number } = await requests.reset(thread, range);
    if (!isDone) {
      throw new RangeChangeError(
        "conflict",
        `range ${id} is not made anew: ${text || "ask again"}`,
      );
    }
    log.warn("range_reset", { range: id, store: range.storeId, file: text });
    if (range.service === ServiceId.INBOX) await this.#dropRoutes(range, number);
    if (!(await requests.renew(thread, range))) {
      throw new RangeChangeError("conflict", `range ${id} is not made anew: ask again`);
    }
    if (range.service !== ServiceId.DIST) await requests.keep(thread, id);
    await lifeCycle.until(() => this.#isServed(id));
  }

  /** Begins when everything else is served; is begun again after whatever went wrong. */
  #repairRoutes(): void {
    const { groups, lifeCycle, log, nowMs } = this.#options;
    if (this.#isTelling || groups.areRoutesWhole || !groups.isServing) return;
    if (nowMs() < this.#retryAtMs || this.#damagedSessions().length > 0) return;
    this.#isTelling = true;
    groups.setRoutesBeingTold(true);
    lifeCycle
      .oneAtATime(() => this.#tellAll())
      .catch((error: unknown) => {
        this.#retryAtMs = nowMs() + RETRY_MS;
        const reason = error instanceof Error ? error.message : String(error);
        log.error("routes_not_rebuilt", { reason, again_ms: RETRY_MS });
      })
      .finally(() => {
        this.#isTelling = false;
      });
  }

  async #tellAll(): Promise<void> {
    const { groups, requests, log } = this.#options;
    for (const damaged of [...groups.damaged.values()]) {
      const range = damaged.descriptor ?? this.#guess(damaged);
      if (range?.service !== ServiceId.DIST) continue;
      await this.#makeAnew(this.#whatItWas(damaged));
      this.#untold.add(damaged.id);
    }
    for (let thread = 1; thread <= groups.workerCount; thread++) {
      if (await requests.tellRoutes(thread)) continue;
      throw new RangeChangeError("conflict", `worker ${thread} has not told all its routes`);
    }
    for (const id of this.#untold) {
      const thread = groups.groups.get(id)?.thread ?? 0;
      if (await requests.keep(thread, id)) continue;
      throw new RangeChangeError("conflict", `range ${id} has just gone`);
    }
    log.warn("routes_rebuilt", { ranges: [...this.#untold] });
    this.#untold.clear();
    groups.setRoutesBeingTold(false);
  }
}

/** Does a gap that ends at `end` hold everything up to `wanted`? Null: to the end. */
function reaches(end: Uint8Array | null, wanted: Uint8Array | null): boolean {
  if (end === null) return true;
  return wanted !== null && compareKeys(wanted, end) <= 0;
}
