/**
 * Who takes part in a crash run: publishers with windows from 1 to 1,000, subscribers of every
 * habit over every kind of filter, shared groups, owners of wills, and who watches over wills and
 * retained messages. MQTT 5 and 3.1.1 by turns.
 *
 *     load/P/t0 … t3   QoS 1 and 2 by turns
 *     keep/P           retained, never removed
 *     ret/P/1, 2       retained and removed by turns, at QoS 1 and 2
 *     will/W
 *
 * The filters of one subscriber do not overlap, so each message is for it once.
 */

import type { Prng } from "../../src/shared/base/prng.ts";
import { textOf } from "../helpers/raw-client.ts";
import { CrashClient } from "./crash-client.ts";
import type { CrashWorld } from "./crash-world.ts";
import { Publisher } from "./publisher.ts";
import { RetainedChecker } from "./retained-checker.ts";
import { type Habit, Subscriber } from "./subscriber.ts";
import { SubscriptionLedger } from "./subscription-ledger.ts";
import { WillLedger } from "./will-ledger.ts";
import { WILL_TOPIC, WillOwner } from "./will-owner.ts";

const WINDOWS = [1, 10, 50, 200, 1000, 1000];
const TOPICS = 4;
const YEAR_SECONDS = 31_536_000;

interface SubscriberPlan {
  readonly habit: Habit;
  readonly level: 4 | 5;
  readonly qos: 1 | 2;
  readonly filters: readonly string[];
  readonly receiveMaximum?: number;
}

const SUBSCRIBERS: readonly SubscriberPlan[] = [
  { habit: "steady", level: 5, qos: 2, filters: ["load/#", "keep/#"] },
  { habit: "steady", level: 4, qos: 1, filters: ["load/p0/#", "load/p4/t1"] },
  { habit: "restless", level: 5, qos: 2, filters: ["load/p1/#", "load/p2/#"] },
  { habit: "restless", level: 4, qos: 2, filters: ["load/+/t1", "keep/#"] },
  { habit: "restless", level: 5, qos: 1, filters: ["load/p5/+"], receiveMaximum: 100 },
  { habit: "absent", level: 5, qos: 2, filters: ["load/p4/#"] },
  { habit: "absent", level: 4, qos: 1, filters: ["load/+/t0"] },
  { habit: "slow", level: 5, qos: 2, filters: ["load/p0/t1", "load/p1/t1"], receiveMaximum: 8 },
  { habit: "slow", level: 5, qos: 1, filters: ["load/p3/t0"], receiveMaximum: 20 },
  { habit: "fickle", level: 5, qos: 2, filters: ["load/p3/#", "load/p5/t1", "keep/#"] },
  { habit: "fickle", level: 4, qos: 1, filters: ["load/p2/+", "load/p1/t2"] },
];

interface GroupPlan {
  readonly qos: 1 | 2;
  readonly filter: string;
  readonly members: readonly (readonly [Habit, 4 | 5])[];
}

const GROUPS: readonly GroupPlan[] = [
  {
    qos: 1,
    filter: "load/+/t2",
    members: [
      ["steady", 5],
      ["restless", 4],
      ["absent", 5],
    ],
  },
  {
    qos: 2,
    filter: "load/+/t3",
    members: [
      ["restless", 5],
      ["steady", 4],
      ["slow", 5],
    ],
  },
];

const WILLS = [
  { level: 5, delay: 0, sessionExpiry: 3600 },
  { level: 5, delay: 2, sessionExpiry: 3600 },
  { level: 5, delay: 60, sessionExpiry: 2 },
  { level: 4, delay: 0, sessionExpiry: YEAR_SECONDS },
] as const;

export class Population {
  readonly publishers: readonly Publisher[];
  readonly subscribers: readonly Subscriber[];
  readonly ledgers: readonly SubscriptionLedger[];
  readonly wills: WillLedger;
  readonly retained: RetainedChecker;
  /** From here on wills are watched, and the broker may be killed. */
  isStarted = false;
  readonly #owners: readonly WillOwner[];
  readonly #watcher: CrashClient;
  readonly #world: CrashWorld;

  /** `rate`: messages per second of all publishers together; `isPartial`: see LedgerOptions. */
  constructor(world: CrashWorld, prng: Prng, rate: number, isPartial: boolean) {
    this.#world = world;
    this.publishers = WINDOWS.map((window, at) => {
      const name = `p${at}`;
      const fields = { name, level: at % 2 === 0 ? 5 : 4, window } as const;
      const streams = streamsOf(world, name);
      return new Publisher(world, prng.split(), {
        ...fields,
        rate: rate / WINDOWS.length,
        streams,
      });
    });
    const ledgers: SubscriptionLedger[] = [];
    const ledger = (name: string, isGroup: boolean) => {
      const { streams, findings } = world;
      const made = new SubscriptionLedger({ name, isGroup, isPartial, streams, findings });
      ledgers.push(made);
      return made;
    };
    const single = SUBSCRIBERS.map((plan, at) => {
      const name = `s${at}-${plan.habit}`;
      const own = ledger(name, false);
      const filters = plan.filters.map((filter) => ({ filter, qos: plan.qos, ledger: own }));
      const { receiveMaximum = 1000, habit, level } = plan;
      return new Subscriber(world, prng.split(), { name, habit, level, receiveMaximum, filters });
    });
    const members = GROUPS.flatMap(({ qos, filter, members: plans }, at) => {
      const group = `g${at}`;
      const filters = [{ filter, qos, group, ledger: ledger(group, true) }];
      return plans.map(([habit, level], number) => {
        const name = `${group}-${number}-${habit}`;
        const options = { name, habit, level, receiveMaximum: 50, filters };
        return new Subscriber(world, prng.split(), options);
      });
    });
    this.subscribers = [...single, ...members];
    this.ledgers = ledgers;
    this.wills = new WillLedger(world);
    this.#owners = WILLS.map((will, at) => {
      return new WillOwner(world, prng.split(), this.wills, { name: `w${at}`, ...will });
    });
    this.#watcher = this.#createWatcher();
    this.retained = new RetainedChecker(world, prng.split());
  }

  /** Runs everybody until the run is over. */
  async run(): Promise<void> {
    await this.#watcher.connect();
    await this.#watcher.subscribe(`${WILL_TOPIC}/#`, 2);
    this.isStarted = true;
    const all = [...this.publishers, ...this.subscribers, ...this.#owners, this.retained];
    await Promise.all([this.#watch(), ...all.map((one) => one.run())]);
  }

  /** All whose connections may be broken from outside. */
  get clients(): readonly CrashClient[] {
    return [...this.publishers, ...this.subscribers].map(({ client }) => client);
  }

  /** Who has not come to rest. */
  get restless(): string[] {
    return [...this.publishers, ...this.subscribers]
      .filter((one) => !one.isAtRest)
      .map(({ client }) => client.describe());
  }

  /** Grows as long as anything gets on. */
  get finishedCount(): number {
    const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
    const received = this.ledgers.map((one) => one.deliveredCount + one.redeliveredCount);
    const sent = this.publishers.map(({ client }) => client.outgoing.storedCount);
    return sum(received) + sum(sent);
  }

  get isComplete(): boolean {
    return this.ledgers.every((ledger) => ledger.missing(1).length === 0);
  }

  #createWatcher(): CrashClient {
    return new CrashClient(this.#world, {
      name: "will-watcher",
      level: 5,
      window: 1,
      sessionExpiry: YEAR_SECONDS,
      receiveMaximum: 100,
      identify: ({ payload }) => ({ stream: -1, sequence: Number(textOf(payload)) }),
      deliver: ({ sequence }) => this.wills.published(sequence),
    });
  }

  async #watch(): Promise<void> {
    while (!this.#world.isOver) {
      if (!this.#watcher.isConnected) await this.#watcher.connect();
      await Promise.race([this.#watcher.closed(), this.#world.pause(1000)]);
    }
    this.#watcher.destroy();
  }
}

function streamsOf(world: CrashWorld, publisher: string) {
  const plain = { publisher, isRetained: false, isCleared: false };
  const load = Array.from({ length: TOPICS }, (_none, at) => {
    const qos = at % 2 === 0 ? 1 : 2;
    return world.addStream({ ...plain, topic: `load/${publisher}/t${at}`, qos });
  });
  const retained = { publisher, isRetained: true };
  return [
    ...load,
    world.addStream({ ...retained, topic: `keep/${publisher}`, qos: 1, isCleared: false }),
    world.addStream({ ...retained, topic: `ret/${publisher}/1`, qos: 1, isCleared: true }),
    world.addStream({ ...retained, topic: `ret/${publisher}/2`, qos: 2, isCleared: true }),
  ];
}
