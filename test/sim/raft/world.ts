/**
 * A whole cluster in one thread: nodes, network, clients and trouble, all on one clock, all from
 * one seed. Everything that is not a node's own doing happens here.
 */

import type { ConfState } from "../../../src/shared/raft/conf-state.ts";
import type { EventQueue } from "../kernel/event-queue.ts";
import { NO_NODE, SimLoop, type SimWorld } from "../kernel/sim-loop.ts";
import { SimNetwork } from "../kernel/sim-network.ts";
import { SimRandom } from "../kernel/sim-random.ts";
import { Ledger } from "./checkers/ledger.ts";
import { type ClientReply, type ClientRequest, SimClient } from "./client.ts";
import { CrashPoints } from "./crash-points.ts";
import { History } from "./history.ts";
import { SESSION_COUNT } from "./kv-machine.ts";
import { LedgerKeeper } from "./ledger-keeper.ts";
import { type FollowUp, Nemesis } from "./nemesis.ts";
import { diskProfileOf, MILLISECOND, type Profile } from "./profile.ts";
import { SimEvent } from "./sim-event.ts";
import { SimNode } from "./sim-node.ts";
import type { StoreObserver } from "./store-image.ts";

const PATIENCE_MIN_US = 20 * MILLISECOND;
/** What membership needs to notice that somebody is gone, at most. */
const SUSPECT_MAX_US = 500 * MILLISECOND;
/** Once faults are over a client waits as long as an honest one does. */
const CALM_PATIENCE_US = 1000 * MILLISECOND;
const REPLY_MAX_US = 2 * MILLISECOND;

export class World implements SimWorld {
  readonly profile: Profile;
  readonly loop: SimLoop;
  readonly network: SimNetwork;
  readonly nodes: readonly SimNode[];
  readonly clients: readonly SimClient[];
  readonly ledger: Ledger;
  readonly history: History;
  readonly crashPoints: CrashPoints;
  readonly storeObserver: StoreObserver;
  readonly #nemesis: Nemesis;
  readonly #clientRandom: SimRandom;
  readonly #crashRandom: SimRandom;
  #requests = 0;
  /** Index up to which clients know of effects: no read that begins now may be older. */
  #floor = 0;
  /** Until then clients begin no commands. */
  #lullUntilUs = 0;
  /** How often a leader has sent its group to sleep. */
  sleepCount = 0;
  /** As in the profile, as long as there is trouble. */
  acknowledgeMaxUs: number;
  /** Whether clients begin operations. */
  isOpen = true;
  /** Whether faults go on. */
  isTroubled = true;

  constructor(seed: number, profile: Profile, queue: EventQueue) {
    const { nodeCount, memberCount, clientCount } = profile;
    const random = (concern: string) => SimRandom.of(seed, concern);
    this.profile = profile;
    this.acknowledgeMaxUs = profile.acknowledgeMaxUs;
    this.loop = new SimLoop(nodeCount, queue);
    this.network = new SimNetwork(this.loop, random("network"), {
      nodeCount,
      deliverKind: SimEvent.DELIVER,
      profile: profile.network,
    });
    this.crashPoints = new CrashPoints(random("crash points"), profile.crashPoint);
    this.history = new History(profile.checksHistory);
    this.ledger = new Ledger(initialConf(memberCount));
    this.storeObserver = new LedgerKeeper(this.ledger);
    this.#clientRandom = random("client times");
    this.#crashRandom = random("crashes");
    this.#nemesis = new Nemesis(this, random("nemesis"));
    this.nodes = Array.from(
      { length: nodeCount },
      (_none, position) => new SimNode(this, position, random(`node ${position}`)),
    );
    this.clients = Array.from(
      { length: Math.min(clientCount, SESSION_COUNT) },
      (_none, number) => new SimClient(number, random(`client ${number}`), profile),
    );
  }

  /** Runs the time of trouble. */
  run(): void {
    for (const node of this.nodes) node.start();
    for (const client of this.clients) {
      this.loop.afterForAny(client.thinkUs(), SimEvent.CLIENT, NO_NODE, client.number);
    }
    this.loop.afterForAny(this.#nemesis.gapUs(), SimEvent.NEMESIS, NO_NODE);
    this.loop.run(this, this.profile.durationUs);
  }

  /** Judges what can be judged only at the end; returns how many keys stay undecided. */
  finish(): number {
    for (const { operation } of this.clients) {
      if (operation !== null) this.history.noteLost(operation);
    }
    return this.history.check();
  }

  handleEvent(kind: number, node: number, subject: unknown): void {
    if (node !== NO_NODE) {
      (this.nodes[node] as SimNode).handleEvent(kind, subject);
      return;
    }
    switch (kind) {
      case SimEvent.CLIENT:
        this.#act(this.clients[subject as number] as SimClient);
        return;
      case SimEvent.REPLY:
        this.#takeReply(subject as ClientReply);
        return;
      case SimEvent.TIMEOUT:
        this.#endPatience(subject as ClientRequest);
        return;
      case SimEvent.NEMESIS:
        if (!this.isTroubled) return;
        for (const member of this.nodes) member.checkBounds();
        this.#nemesis.strike();
        this.loop.afterForAny(this.#nemesis.gapUs(), SimEvent.NEMESIS, NO_NODE);
        return;
      case SimEvent.RESTART:
        this.restart(this.nodes[subject as number] as SimNode);
        return;
      case SimEvent.DISK_RECOVERED:
        if (!this.isTroubled) return;
        this.#recoverDisk(this.nodes[subject as number] as SimNode);
        return;
      case SimEvent.SUSPECT:
        if (!this.isAlive((subject as number) + 1)) for (const member of this.nodes) member.wake();
        return;
      case SimEvent.FOLLOW_UP:
        if (this.isTroubled) this.#nemesis.follow(subject as FollowUp);
        return;
    }
  }

  nodeOf(replica: number): SimNode {
    return this.nodes[replica - 1] as SimNode;
  }

  /** The node that leads the highest term, as far as it knows; several may believe to lead. */
  leader(): SimNode | null {
    let newest: SimNode | null = null;
    for (const node of this.nodes) {
      if (node.isLeader && (newest === null || node.term > newest.term)) newest = node;
    }
    return newest;
  }

  /** As membership sees a replica's node. */
  isAlive(replica: number): boolean {
    const position = replica - 1;
    return this.loop.isUp(position) && !this.loop.isPaused(position);
  }

  /** Membership will notice that a node is gone, if it stays so. */
  suspect(position: number): void {
    if (this.profile.sleepTicks === 0) return;
    const delay = this.#crashRandom.below(SUSPECT_MAX_US);
    this.loop.afterForAny(delay, SimEvent.SUSPECT, NO_NODE, position);
  }

  /** Power off, and on again after a while. */
  crash(node: SimNode): void {
    if (!this.loop.isUp(node.position)) return;
    this.loop.stop(node.position);
    node.crash();
    this.suspect(node.position);
    const lasts = this.#crashRandom.below(this.profile.restartMaxUs) + 1;
    this.loop.afterForAny(lasts, SimEvent.RESTART, NO_NODE, node.position);
  }

  restart(node: SimNode): void {
    if (this.loop.isUp(node.position)) return;
    node.start();
    // Membership hears of another process in the place of the old one.
    for (const member of this.nodes) member.wake();
  }

  /** A node has just come to lead, and has not sent anything yet. */
  noteCrowned(node: SimNode): void {
    if (this.isTroubled) this.#nemesis.crown(node);
  }

  /** Clients only read, for so long. */
  lull(lastsUs: number): void {
    this.#lullUntilUs = this.loop.now + lastsUs;
  }

  /** A leader has just committed a change of members, and has not told anybody. */
  noteChangeCommitted(node: SimNode): void {
    if (this.isTroubled) this.#nemesis.noteChangeCommitted(node);
  }

  reply(reply: ClientReply): void {
    const delay = this.#clientRandom.below(REPLY_MAX_US);
    this.loop.afterForAny(delay, SimEvent.REPLY, NO_NODE, reply);
  }

  get #isLull(): boolean {
    return this.isTroubled && this.loop.now < this.#lullUntilUs;
  }

  #recoverDisk(node: SimNode): void {
    node.disk.profile = diskProfileOf(this.profile, node.position);
  }

  #act(client: SimClient): void {
    if (client.operation === null) {
      if (!this.isOpen) return;
      client.begin(this.history.now(), this.#floor, this.#isLull);
    }
    this.#requests += 1;
    const request = client.ask(this.#requests);
    this.loop.afterForAny(0, SimEvent.REQUEST, client.target - 1, request);
    const limit = this.isTroubled ? this.profile.patienceMaxUs : CALM_PATIENCE_US;
    const patience = this.#clientRandom.between(PATIENCE_MIN_US, limit);
    this.loop.afterForAny(patience, SimEvent.TIMEOUT, NO_NODE, request);
  }

  #takeReply(reply: ClientReply): void {
    const client = this.clients[reply.client] as SimClient;
    if (!client.awaits(reply.request)) return;
    if (reply.outcome === "refused") {
      this.#retry(client, reply.leader);
      return;
    }
    this.#floor = Math.max(this.#floor, reply.index);
    if (client.operation !== null) this.history.noteReturned(client.operation, reply.result);
    client.finish(reply.result);
    this.loop.afterForAny(client.thinkUs(), SimEvent.CLIENT, NO_NODE, client.number);
  }

  #endPatience(request: ClientRequest): void {
    const client = this.clients[request.client] as SimClient;
    if (client.awaits(request.request)) this.#retry(client, 0);
  }

  #retry(client: SimClient, leader: number): void {
    if (!client.shallRetry(leader)) {
      if (client.operation !== null) this.history.noteLost(client.operation);
      client.giveUp();
    }
    this.loop.afterForAny(client.thinkUs(), SimEvent.CLIENT, NO_NODE, client.number);
  }
}

function initialConf(memberCount: number): ConfState {
  const voters = Array.from({ length: memberCount }, (_none, position) => position + 1);
  return { voters, outgoing: [], learners: [], learnersNext: [], autoLeave: false };
}
