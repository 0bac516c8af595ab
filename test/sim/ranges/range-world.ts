/**
 * A small broker in one thread, all from one seed: dist, inbox and retain ranges on one, three or
 * five nodes, sessions, publishers and trouble. Everything behind the logs is the real thing: Raft
 * cores and state machines; everything around them is a model (gateway/, clients/).
 */

import type { ConfState } from "../../../src/shared/raft/conf-state.ts";
import { DEFAULT_RAFT_OPTIONS, type RaftOptions } from "../../../src/shared/raft/options.ts";
import { bootstrapPlan } from "../../../src/shared/range/bootstrap-plan.ts";
import type { RangeId } from "../../../src/shared/range/range-descriptor.ts";
import { workerBoot } from "../../../src/shared/range/worker-life.ts";
import type { EventQueue } from "../kernel/event-queue.ts";
import { NO_NODE, SimLoop, type SimWorld } from "../kernel/sim-loop.ts";
import { SimNetwork } from "../kernel/sim-network.ts";
import { SimRandom } from "../kernel/sim-random.ts";
import { GroupBook } from "./checkers/group-book.ts";
import { RangeLedger } from "./checkers/range-ledger.ts";
import { Publisher, TENANTS } from "./clients/publisher.ts";
import { RetainUser } from "./clients/retain-user.ts";
import { actSession } from "./clients/session-script.ts";
import { SimSession } from "./clients/sim-session.ts";
import { type Arrival, FrontDesk } from "./gateway/front-desk.ts";
import { Gateway } from "./gateway/gateway.ts";
import { StoreCommit } from "./host/range-image.ts";
import { FOUNDING_INDEX } from "./host/range-log.ts";
import { CrashPlaces } from "./node/crash-places.ts";
import { RangeNode } from "./node/range-node.ts";
import { RangeEvent } from "./range-event.ts";
import { RangeNemesis } from "./range-nemesis.ts";
import type { RangeProfile } from "./range-profile.ts";
import { runTimers } from "./range-timers.ts";

/** Wall clock at the beginning: any time long after 1970. */
const EPOCH_MS = 1_700_000_000_000;
const TIMERS_US = 25_000;
export const STORES = 2;

export class RangeWorld implements SimWorld {
  readonly profile: RangeProfile;
  readonly loop: SimLoop;
  readonly network: SimNetwork;
  readonly nodes: readonly RangeNode[];
  readonly gateway: Gateway;
  readonly desk: FrontDesk;
  readonly ledger: RangeLedger;
  readonly sessions: readonly SimSession[];
  readonly publisher: Publisher;
  readonly retainUser: RetainUser;
  readonly nemesis: RangeNemesis;
  readonly crashPlaces: CrashPlaces;
  readonly groups = new GroupBook();
  readonly raftOptions: RaftOptions = { ...DEFAULT_RAFT_OPTIONS, electionTicks: 6 };
  readonly conf: ConfState;
  readonly #clientRandom: SimRandom;
  readonly #crashRandom: SimRandom;
  readonly #sessionRandom: SimRandom;
  #lastRange: RangeId;
  #processes = 0;
  /** The wall clock was put forward by so much. */
  #leapMs = 0;
  /** Whether clients act by themselves, and faults go on. */
  isTroubled = true;
  /** Ranges that came to a node as snapshots. */
  installCount = 0;

  constructor(seed: number, profile: RangeProfile, queue: EventQueue) {
    const { nodeCount, sessionCount } = profile;
    const random = (concern: string) => SimRandom.of(seed, concern);
    this.profile = profile;
    this.loop = new SimLoop(nodeCount, queue);
    this.network = new SimNetwork(this.loop, random("network"), {
      nodeCount,
      deliverKind: RangeEvent.DELIVER,
      profile: profile.network,
    });
    const voters = Array.from({ length: nodeCount }, (_none, position) => position + 1);
    this.conf = { voters, outgoing: [], learners: [], learnersNext: [], autoLeave: false };
    this.crashPlaces = new CrashPlaces(random("crash places"), profile.crashPlace);
    this.#clientRandom = random("client times");
    this.#crashRandom = random("crashes");
    this.#sessionRandom = random("sessions");
    this.gateway = new Gateway(this, random("gateway"));
    this.desk = new FrontDesk(this, this.gateway, random("desk"));
    this.gateway.listener = this.desk;
    this.ledger = new RangeLedger(() => this.nodes);
    this.nodes = voters.map((id) => new RangeNode(this, id - 1, random(`node ${id}`)));
    this.sessions = Array.from({ length: sessionCount }, (_none, number) => {
      const tenantId = TENANTS[number % 3 === 2 ? 1 : 0]!;
      return new SimSession(this.desk, random(`session ${number}`), tenantId, `client ${number}`);
    });
    this.publisher = new Publisher(this, this.desk, random("publisher"));
    this.retainUser = new RetainUser(this, this.desk, random("retain"));
    this.nemesis = new RangeNemesis(this, random("nemesis"));
    this.#lastRange = this.#bootstrap();
  }

  /** Runs the time of trouble. */
  run(): void {
    for (const node of this.nodes) node.start();
    for (const session of this.sessions) this.#think(session);
    this.loop.afterForAny(1, RangeEvent.PUBLISH, NO_NODE);
    this.loop.afterForAny(1, RangeEvent.RETAIN, NO_NODE);
    this.loop.afterForAny(TIMERS_US, RangeEvent.TIMERS, NO_NODE);
    this.loop.afterForAny(this.nemesis.gapUs(), RangeEvent.NEMESIS, NO_NODE);
    this.loop.run(this, this.profile.durationUs);
  }

  handleEvent(kind: number, node: number, subject: unknown): void {
    if (node !== NO_NODE) {
      this.nodes[node]!.handleEvent(kind, subject);
      return;
    }
    switch (kind) {
      case RangeEvent.CYCLE:
        this.gateway.flush();
        return;
      case RangeEvent.SESSION:
        if (this.isTroubled) this.#act(subject as SimSession);
        return;
      case RangeEvent.ARRIVAL: {
        const { session, push } = subject as Arrival;
        session.received(push);
        return;
      }
      case RangeEvent.PUBLISH:
        if (!this.isTroubled) return;
        this.publisher.publish();
        this.#again(RangeEvent.PUBLISH, this.profile.publishGapUs);
        return;
      case RangeEvent.RETAIN:
        if (!this.isTroubled) return;
        this.retainUser.act();
        this.#again(RangeEvent.RETAIN, this.profile.retainGapUs);
        return;
      case RangeEvent.TIMERS:
        runTimers(this.nodes, this.desk);
        this.loop.afterForAny(TIMERS_US, kind, NO_NODE);
        return;
      case RangeEvent.NEMESIS:
        if (!this.isTroubled) return;
        this.nemesis.strike();
        this.loop.afterForAny(this.nemesis.gapUs(), kind, NO_NODE);
        return;
      case RangeEvent.RESTART:
        this.restart(this.nodes[subject as number]!);
        return;
      case RangeEvent.LATER:
        (subject as () => void)();
        return;
    }
  }

  /** Processes that were started. */
  get processCount(): number {
    return this.#processes;
  }

  /** Wall clock of clients. */
  wallMs(): number {
    return EPOCH_MS + this.#leapMs + Math.floor((this.loop.now / 1000) * this.profile.clockRate);
  }

  /** No log's clock is ahead of it. */
  latestWallMs(): number {
    return Math.max(this.wallMs() + this.profile.skewMaxMs, this.ledger.latestMs);
  }

  /** Time passes at once. */
  leap(ms: number): void {
    this.#leapMs += ms;
  }

  nextRange(): RangeId {
    this.#lastRange += 1;
    return this.#lastRange;
  }

  /** Names the next process of any node. */
  nextBoot(): number {
    this.#processes += 1;
    return workerBoot(this.#processes, 1);
  }

  /** Power off, and on again after a while. */
  crash(node: RangeNode): void {
    if (!node.isUp) return;
    const { boot } = node;
    this.loop.stop(node.position);
    node.crash();
    this.gateway.nodeDied(node, boot);
    const lasts = this.#crashRandom.below(this.profile.restartMaxUs) + 1;
    this.loop.afterForAny(lasts, RangeEvent.RESTART, NO_NODE, node.position);
  }

  restart(node: RangeNode): void {
    if (!node.isUp) node.start();
  }

  #act(session: SimSession): void {
    actSession(session, this.#sessionRandom, this.desk.wills, this.profile);
    this.#think(session);
  }

  #think(session: SimSession): void {
    const delay = this.#clientRandom.below(this.profile.thinkMaxUs) + 1;
    this.loop.afterForAny(delay, RangeEvent.SESSION, NO_NODE, session);
  }

  #again(kind: number, gapUs: number): void {
    this.loop.afterForAny(this.#clientRandom.below(gapUs) + 1, kind, NO_NODE);
  }

  /** Every disk begins with the same ranges; returns the highest number among them. */
  #bootstrap(): RangeId {
    const plan = bootstrapPlan(STORES);
    for (const { image } of this.nodes) {
      const commit = new StoreCommit();
      for (const descriptor of plan) {
        commit.records.push({ descriptor, applied: FOUNDING_INDEX, appliedMs: 0 });
      }
      image.write(commit);
    }
    return Math.max(...plan.map(({ id }) => id));
  }
}
