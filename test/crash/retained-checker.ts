/**
 * Asks the broker for its retained messages, as a new subscriber would, and compares them with what
 * was acknowledged: while everything moves (no older value than the last one acknowledged before
 * the question), and at rest (exactly that one, or none after an empty message).
 */

import type { Prng } from "../../src/shared/base/prng.ts";
import { textOf } from "../helpers/raw-client.ts";
import { CrashClient } from "./crash-client.ts";
import type { CrashWorld } from "./crash-world.ts";
import { keyOf, NEVER, type Stream } from "./stream.ts";
import { describe } from "./subscription-ledger.ts";

export const RETAINED_FILTERS = ["keep/#", "ret/#"] as const;

const ANSWER_MS = 300;
const COMPLETE_MS = 20_000;

export class RetainedChecker {
  readonly #world: CrashWorld;
  readonly #prng: Prng;
  readonly #client: CrashClient;
  /** By stream: the sequence number that came as retained. */
  #got = new Map<number, number>();
  /** By stream: the last sequence number that was acknowledged when the question was asked. */
  #floors: readonly number[] = [];
  checkCount = 0;

  constructor(world: CrashWorld, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
    this.#client = new CrashClient(world, {
      name: "retained-checker",
      level: 5,
      window: 1,
      sessionExpiry: 0,
      receiveMaximum: 65_535,
      identify: ({ topic, payload }) => {
        const key = keyOf(textOf(payload));
        // An empty message that removes the retained one, as it passes by.
        return payload.length > 0 ? key : { stream: this.#streamOf(topic), sequence: NEVER };
      },
      deliver: ({ stream, sequence }, _arrival, { retain }) => {
        if (retain) this.#take(stream, sequence);
      },
    });
  }

  async run(): Promise<void> {
    const world = this.#world;
    while (!world.isOver) {
      await world.pause(200 + this.#prng.below(1000));
      if (world.isLoad && world.port !== 0 && (await this.#ask())) {
        await Promise.race([world.pause(ANSWER_MS), this.#client.closed()]);
        this.#client.destroy();
        await this.#client.closed();
      }
    }
  }

  /** With everything at rest: each topic has what it should have. */
  async checkAtRest(): Promise<void> {
    const world = this.#world;
    this.#client.destroy();
    await this.#client.closed();
    if (!(await this.#ask())) return;
    const present = this.#streams.filter(
      ({ highestStored, isEmpty }) => highestStored >= 0 && isEmpty[highestStored] === false,
    );
    const isComplete = () => present.every(({ id }) => this.#got.has(id));
    if (await world.waitFor(isComplete, COMPLETE_MS)) {
      // What should not be there may come last.
      await world.waitFor(() => this.#got.size > present.length, ANSWER_MS);
    }
    for (const stream of this.#streams) this.#judgeAtRest(stream);
    this.#client.destroy();
    await this.#client.closed();
  }

  get #streams(): Stream[] {
    return this.#world.streams.filter(({ isRetained }) => isRetained);
  }

  #streamOf(topic: string): number {
    return this.#world.streams.findIndex((stream) => stream.topic === topic);
  }

  async #ask(): Promise<boolean> {
    const connack = await this.#client.tryConnect({ cleanStart: true });
    if (connack === null) return false;
    this.#got = new Map();
    this.#floors = this.#world.streams.map(({ highestStored }) => highestStored);
    this.checkCount += 1;
    for (const filter of RETAINED_FILTERS) {
      if ((await this.#client.subscribe(filter, 1, true)) === null) return false;
    }
    return true;
  }

  #take(id: number, sequence: number): void {
    const stream = this.#world.streams[id];
    if (stream === undefined || (stream.sendCount[sequence] ?? 0) === 0) {
      this.#client.complain("stranger", "a retained message came that nobody has sent");
      return;
    }
    this.#got.set(id, sequence);
    const floor = this.#floors[id]!;
    if (sequence >= floor) return;
    // It may have been sent again since: then it was the last one for a while.
    if (stream.lastSentAt[sequence]! > stream.storedAt[floor]!) return;
    const text = `retained is ${describe(stream, sequence)}, ${floor} was acknowledged`;
    this.#client.complain("retained", text, { stream: id, sequence: floor });
  }

  #judgeAtRest(stream: Stream): void {
    const { id, highestStored, isEmpty, topic } = stream;
    const key = { stream: id, sequence: Math.max(highestStored, 0) };
    const got = this.#got.get(id);
    if (got === undefined) {
      if (highestStored < 0 || isEmpty[highestStored] === true) return;
      const text = `nothing is retained for ${topic}, ${highestStored} was acknowledged`;
      this.#client.complain("retained", text, key);
    } else if (got < highestStored) {
      const what = isEmpty[highestStored] === true ? "which removed it" : "which replaced it";
      const text = `${describe(stream, got)} is still retained, after ${highestStored} ${what}`;
      this.#client.complain("retained", text, key);
    }
  }
}
