/** Stores, clears and looks up retained messages; each payload is written once in a run. */

import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { retainRangeKey } from "../../../../src/shared/retain/retain-key.ts";
import { UNCAPPED, writeRetainStore } from "../../../../src/shared/retain/retain-log-command.ts";
import { RetainStatus } from "../../../../src/shared/retain/retain-types.ts";
import { message, payloadOf } from "../../../helpers/service-workers.ts";
import type { SimRandom } from "../../kernel/sim-random.ts";
import { keptName } from "../checkers/retain-model.ts";
import type { FrontDesk } from "../gateway/front-desk.ts";
import { demand } from "../range-invariants.ts";
import type { RangeWorld } from "../range-world.ts";
import { TENANTS } from "./publisher.ts";

const TOPICS = 12;
/** Of these, whose names do not fit into a key. */
const LONG_TOPICS = 3;
const LONG_TOPIC_SIZE = 1600;
const CLEAR_SHARE = 0.2;

const encoder = new TextEncoder();

export class RetainUser {
  readonly #world: RangeWorld;
  readonly #desk: FrontDesk;
  readonly #random: SimRandom;
  #stored = 0;
  answerCount = 0;

  constructor(world: RangeWorld, desk: FrontDesk, random: SimRandom) {
    this.#world = world;
    this.#desk = desk;
    this.#random = random;
  }

  act(): void {
    const random = this.#random;
    const tenantId = random.pick(TENANTS);
    const topic = retainedTopic(random.below(TOPICS));
    if (random.chance(0.3)) this.#lookUp(tenantId, topic);
    else if (random.chance(CLEAR_SHARE)) this.#store(tenantId, topic, "", -1);
    else {
      this.#stored += 1;
      const isExpiring = random.chance(this.#world.profile.expiringShare);
      const expirySeconds = isExpiring ? random.pick([1, 3, 1000]) : -1;
      this.#store(tenantId, topic, `retained ${this.#stored}`, expirySeconds);
    }
  }

  /** Nothing is to be retained any more. */
  clearAll(): void {
    for (const [tenantId, topic] of allRetained()) this.#store(tenantId, topic, "", -1);
  }

  #store(tenantId: string, topic: string, payload: string, expirySeconds: number): void {
    const receivedAtMs = this.#world.wallMs();
    const stored = message({ tenantId, topic, payload, expirySeconds, receivedAtMs, retain: true });
    const request = this.#desk.ask(([status]) => {
      this.answerCount += 1;
      demand(status === RetainStatus.OK, "retained", () => `"${payload}" is refused: ${status}`);
    });
    this.#desk.propose({
      service: ServiceId.RETAIN,
      key: retainRangeKey(tenantId, encoder.encode(topic)),
      write: (writer) => writeRetainStore(writer, request, UNCAPPED, stored),
      isOver: () => false,
      lost: () => {},
    });
  }

  /** Where nobody else is, the node is as far as the model. */
  #lookUp(tenantId: string, topic: string): void {
    const { nodes, ledger } = this.#world;
    const kit = nodes.length === 1 ? nodes[0]!.host?.kit : undefined;
    const key = encoder.encode(topic);
    if (
      kit === undefined ||
      this.#desk.gateway.reignOf(ServiceId.RETAIN, retainRangeKey(tenantId, key)) === null
    )
      return;
    const payload = payloadOf(kit.topics.read(tenantId, key));
    const expected = ledger.retained.kept.get(keptName(tenantId, topic))?.payload ?? null;
    demand(payload === expected, "retained", () => {
      return `${tenantId}/${topic.slice(0, 20)} has "${payload}", not "${expected}"`;
    });
  }
}

/** Every tenant and topic that is ever used. */
export function* allRetained(): Iterable<readonly [tenantId: string, topic: string]> {
  for (const tenantId of TENANTS) {
    for (let topic = 0; topic < TOPICS; topic += 1) yield [tenantId, retainedTopic(topic)];
  }
}

function retainedTopic(number: number): string {
  return `r/${number}`.padEnd(number < LONG_TOPICS ? LONG_TOPIC_SIZE : 0, "x");
}
