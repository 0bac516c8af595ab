/**
 * The ranges of a node for rigs that test services: main's groups, and per worker a host and a
 * client over one store each, all real but the stores, whose commits take no time. Everything
 * happens in the turns that the rig gives. The first ranges are there from the beginning.
 */

import { RangeGroups } from "../../src/main/ranges/range-groups.ts";
import { RangeLifeCycle } from "../../src/main/ranges/range-life-cycle.ts";
import { RangeRequests } from "../../src/main/ranges/range-requests.ts";
import type { Log } from "../../src/platform/log.ts";
import { bootstrapPlan } from "../../src/shared/range/bootstrap-plan.ts";
import { ServiceId } from "../../src/shared/range/service-id.ts";
import { workerBoot } from "../../src/shared/range/worker-life.ts";
import { DEFAULT_COLLECT_LIMITS } from "../../src/workers/ranges/collector.ts";
import { foundingRecord } from "../../src/workers/ranges/range-changes.ts";
import { RingRangeClient } from "../../src/workers/ranges/range-client.ts";
import { RingRangeHost } from "../../src/workers/ranges/range-host.ts";
import type { FakeMesh } from "./fake-ring.ts";
import { InstantDisk, InstantStore } from "./instant-store.ts";

const PROCESS = 7;
const SILENT_LOG: Log = new Proxy({} as Log, { get: () => () => {} });
const CONF = { voters: [1], outgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** Both ends of ranges on one worker; services register with them before `open`. */
export interface WorkerEnds {
  readonly host: RingRangeHost;
  readonly client: RingRangeClient;
}

export class InstantRanges {
  readonly groups: RangeGroups;
  readonly lifeCycle: RangeLifeCycle;
  readonly #requests: RangeRequests;
  readonly #mesh: FakeMesh;
  readonly #nowMs: () => number;
  readonly #disks: InstantDisk[];
  readonly #ends: (WorkerEnds | undefined)[] = [];
  readonly #announced = new Set<number>();
  readonly #incarnations: number[];
  /** One number for the lives of all workers. */
  #lastIncarnation = 0;

  /** Ranges of these services; all of them register before `open`. */
  constructor(
    mesh: FakeMesh,
    nowMs: () => number,
    services: readonly ServiceId[] = Object.values(ServiceId),
  ) {
    const workers = mesh.threadCount - 1;
    this.#mesh = mesh;
    this.#nowMs = nowMs;
    this.#incarnations = new Array<number>(mesh.threadCount).fill(0);
    this.#disks = Array.from({ length: workers }, () => new InstantDisk());
    for (const descriptor of bootstrapPlan(workers)) {
      if (!services.includes(descriptor.service)) continue;
      const disk = this.#disks[descriptor.storeId - 1]!;
      const origin = { replicaId: 1, conf: CONF, appliedMs: nowMs() };
      disk.records.set(descriptor.id, foundingRecord(descriptor, origin));
      disk.logs.set(descriptor.id, []);
    }
    const endpoint = mesh.endpoint(0);
    const schedule = () => {};
    this.groups = new RangeGroups({ endpoint, log: SILENT_LOG, random: () => 0, schedule });
    this.#requests = new RangeRequests(endpoint, schedule);
    this.lifeCycle = new RangeLifeCycle({
      endpoint,
      groups: this.groups,
      requests: this.#requests,
      processNumber: PROCESS,
      nowMs,
    });
    this.groups.addListener({ allReported: () => this.groups.complete() });
  }

  /** A worker starts, for the first time or once more. */
  start(thread: number): WorkerEnds {
    this.#announced.delete(thread);
    this.#lastIncarnation += 1;
    this.#incarnations[thread] = this.#lastIncarnation;
    const endpoint = this.#mesh.endpoint(thread);
    const host = new RingRangeHost({
      endpoint,
      stores: new Map([[thread, new InstantStore(this.#disks[thread - 1]!)]]),
      processNumber: PROCESS,
      limits: DEFAULT_COLLECT_LIMITS,
      nowMs: this.#nowMs,
      clockMs: this.#nowMs,
      wake: () => {},
      onCommit: () => {},
      onSlowCommit: () => {},
      renewStore: () => Promise.reject(new Error("what lies in memory is never damaged")),
      onStoreFailure: (_storeId, error) => {
        throw error;
      },
    });
    const client = new RingRangeClient({
      endpoint,
      boot: workerBoot(PROCESS, this.#incarnations[thread]!),
      nowMs: this.#nowMs,
      requestFlush: () => {},
    });
    client.onDirectory(() => host.serve());
    const ends = { host, client };
    this.#ends[thread] = ends;
    return ends;
  }

  ends(thread: number): WorkerEnds {
    return this.#ends[thread]!;
  }

  /** Its services have registered. */
  open(thread: number): void {
    this.ends(thread).host.open();
  }

  /** A worker has died; its rings are replaced. Call before its successor starts. */
  lost(thread: number): void {
    for (const [peer, ends] of this.#ends.entries()) {
      if (peer !== thread) ends?.host.peerLost(thread, this.#incarnations[thread]!);
    }
    this.#requests.workerLost(thread);
    this.groups.workerLost(thread);
  }

  /** All that waits is in rings. */
  readonly isBusy = false;

  mainTurn(): void {
    this.groups.flush();
  }

  /** Before the worker's services flush. */
  hostTurn(thread: number): void {
    const { host } = this.ends(thread);
    host.flush();
    if (this.#announced.has(thread) || !host.isReplayed) return;
    this.#announced.add(thread);
    host.announce();
  }

  /** After the worker's services. */
  clientTurn(thread: number): void {
    this.ends(thread).client.flush();
  }
}
