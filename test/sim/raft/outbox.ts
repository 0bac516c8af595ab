/**
 * How messages of one node get away: to the network, with what a real transport knows of their fate
 * reported back to the core, sometimes wrongly; and noted where they bind the node.
 */

import { HeartbeatCoalescer, isCoalescible } from "../../../src/shared/raft/heartbeat-frame.ts";
import { MessageType, type RaftMessage } from "../../../src/shared/raft/message.ts";
import type { SimRandom } from "../kernel/sim-random.ts";
import { MILLISECOND } from "./profile.ts";
import { type DeliveryReport, SimEvent } from "./sim-event.ts";
import type { SimNode } from "./sim-node.ts";
import { throughNetwork } from "./through-codec.ts";
import type { World } from "./world.ts";

const REPORT_MAX_US = 300 * MILLISECOND;
/** How often a transport notices that a packet did not get away. */
const UNREACHABLE_SHARE = 0.3;
/** There is one group in this world. */
const GROUP = 1;

export class Outbox {
  readonly #world: World;
  readonly #node: SimNode;
  readonly #random: SimRandom;
  readonly #frames = new HeartbeatCoalescer<number>();

  constructor(world: World, node: SimNode, random: SimRandom) {
    this.#world = world;
    this.#node = node;
    this.#random = random;
  }

  /** The end of a turn: where heartbeats travel in frames, those of this turn leave. */
  flush(): void {
    const { network } = this.#world;
    this.#frames.flush((position, frame) => {
      const isSent = network.send(this.#node.position, position, frame);
      if (!isSent) this.#noticeLoss(position + 1);
    });
  }

  /** The process died before the end of its turn. */
  forget(): void {
    this.#frames.flush(() => undefined);
  }

  /** Takes also what its process sends to itself: nobody else hears that, but it binds, too. */
  send(message: RaftMessage): void {
    this.#notePromise(message);
    if (message.to !== this.#node.replica) this.#transmit(message);
  }

  #transmit(message: RaftMessage): void {
    const { network, profile } = this.#world;
    if (profile.hasFrames && isCoalescible(message)) {
      this.#frames.add(message.to - 1, GROUP, message);
      return;
    }
    const packet = profile.hasCodec ? throughNetwork(message) : message;
    const isSent = network.send(this.#node.position, message.to - 1, packet);
    if (message.type === MessageType.SNAPSHOT) this.#report(message.to, "snapshot", isSent);
    else if (!isSent) this.#noticeLoss(message.to);
  }

  #noticeLoss(peer: number): void {
    if (this.#random.chance(UNREACHABLE_SHARE)) this.#report(peer, "unreachable", false);
  }

  /**
   * Others may build on these for ever, whether or not they have waited for the disk as they should
   * (raft pitfalls 1, 2, 4). Who asks for votes has given its own.
   */
  #notePromise({ type, term, to, isRejected }: RaftMessage): void {
    const { watch, replica } = this.#node;
    if (type === MessageType.VOTE) watch.notePromise(replica, term, replica);
    if (isRejected) return;
    if (type === MessageType.VOTE_RESPONSE) watch.notePromise(replica, term, to);
    if (type === MessageType.APPEND_RESPONSE) watch.notePromise(replica, term, 0);
  }

  #report(peer: number, kind: DeliveryReport["kind"], isDelivered: boolean): void {
    const delay = this.#random.below(REPORT_MAX_US);
    const report: DeliveryReport = { peer, kind, isDelivered };
    this.#world.loop.after(delay, SimEvent.REPORT, this.#node.position, report);
  }
}
