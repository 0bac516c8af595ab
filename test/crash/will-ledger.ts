/**
 * Which wills must have been published, which must not, and which have been.
 *
 *     lost ──── delay, or session expiry if that is shorter ────▶ due
 *      │◀── a new connection of the session: must not ──▶│◀── must ──▶
 *
 * Each connection brings a will with a number of its own. What the client saw gives bounds for when
 * the broker noticed the loss; a margin is for two processes on a busy machine. A broker that is
 * not there notices nothing, so the delay may as well begin when it is back.
 */

import type { CrashWorld } from "./crash-world.ts";

/** Neither "must" nor "must not": milliseconds around the moment when a will is due. */
const MARGIN_MS = 500;

type Fate =
  /** CONNECT was sent: anything may become of it. */
  | "announced"
  | "connected"
  /** The connection has ended, without DISCONNECT 0x00 or with one that may not have arrived. */
  | "lost"
  /** It must be published. */
  | "owed"
  /** It must not. */
  | "withdrawn"
  | "suppressed"
  /** Both are right. */
  | "open";

interface Will {
  readonly owner: string;
  readonly delayMs: number;
  /** Of the broker, when it was announced. */
  readonly life: number;
  fate: Fate;
  /**
   * Between these the broker lost the connection, unless it was not there to notice. The first by
   * the world's `nowMs`, the second, as `firstMs`, by its `liveMs`.
   */
  lastHeardMs: number;
  lostMs: number;
  /** DISCONNECT 0x00 was sent in this life of the broker; -1 = it was not. */
  withdrawnInLife: number;
  firstMs: number;
  count: number;
}

export class WillLedger {
  readonly #world: CrashWorld;
  readonly #wills: Will[] = [];
  readonly counts = { published: 0, withdrawn: 0, suppressed: 0, again: 0 };

  constructor(world: CrashWorld) {
    this.#world = world;
  }

  /** A CONNECT with a will is about to be sent; returns its number. */
  announced(owner: string, delaySeconds: number): number {
    const delayMs = delaySeconds * 1000;
    const later = { lastHeardMs: 0, lostMs: 0, withdrawnInLife: -1, firstMs: 0, count: 0 };
    return (
      this.#wills.push({ owner, delayMs, life: this.#world.life, fate: "announced", ...later }) - 1
    );
  }

  /** CONNACK has come. */
  accepted(number: number): void {
    this.#wills[number]!.fate = "connected";
  }

  /** No CONNACK will come. */
  unanswered(number: number): void {
    this.#wills[number]!.fate = "open";
  }

  /** Its owner has sent another CONNECT, and does not know what became of it. */
  overtaken(number: number): void {
    const will = this.#wills[number]!;
    // Without a delay it was due before that.
    const isOwed = will.fate === "lost" && will.delayMs === 0 && will.withdrawnInLife < 0;
    will.fate = isOwed ? "owed" : "open";
  }

  /** DISCONNECT 0x00 is about to be sent. */
  withdrawing(number: number): void {
    this.#wills[number]!.withdrawnInLife = this.#world.life;
  }

  /** The connection has ended. */
  lost(number: number, lastHeardMs: number): void {
    const will = this.#wills[number]!;
    will.fate = "lost";
    will.lastHeardMs = lastHeardMs;
    will.lostMs = this.#world.liveMs();
    if (will.count > 0 && will.lostMs > will.firstMs + MARGIN_MS) {
      this.#complain(number, "was published while the session was connected");
    }
  }

  /** Its owner's session is connected again. */
  back(number: number): void {
    const will = this.#wills[number]!;
    const liveMs = this.#world.liveMs();
    const noticedMs = Math.max(will.lostMs, this.#world.readySinceMs);
    if (will.withdrawnInLife >= 0) {
      // In the life in which it was sent, DISCONNECT has come before the new CONNECT.
      will.fate = will.withdrawnInLife === this.#world.life ? "withdrawn" : "open";
    } else if (will.delayMs === 0 || liveMs > noticedMs + will.delayMs + MARGIN_MS) {
      will.fate = "owed";
    } else if (this.#world.nowMs() < will.lastHeardMs + will.delayMs - MARGIN_MS) {
      will.fate = "suppressed"; // [MQTT-3.1.3-9]
    } else {
      will.fate = "open";
    }
    if (will.fate === "withdrawn") this.counts.withdrawn += 1;
    if (will.fate === "suppressed") this.counts.suppressed += 1;
    if (will.count > 0) this.#judgePublished(number, will);
  }

  /** The watcher got it. */
  published(number: number): void {
    const will = this.#wills[number];
    if (will === undefined) {
      this.#world.findings.add("will", `will ${number} was published, and never announced`);
      return;
    }
    will.count += 1;
    if (will.count === 1) {
      will.firstMs = this.#world.liveMs();
      this.counts.published += 1;
    } else {
      this.counts.again += 1;
      // What was published when the process died is published once more.
      if (will.life === this.#world.life)
        this.#complain(number, "was published twice by one process");
    }
    this.#judgePublished(number, will);
  }

  /** No will is owed any more. */
  get isSettled(): boolean {
    return this.#wills.every((will) => !isOwed(will));
  }

  /** Time is up for those that are owed. */
  close(): void {
    for (const [number, will] of this.#wills.entries()) {
      if (!isOwed(will)) continue;
      this.#complain(number, `was not published (${will.fate}, delay ${will.delayMs} ms)`);
      will.fate = "open";
    }
  }

  #judgePublished(number: number, will: Will): void {
    if (will.fate === "withdrawn") this.#complain(number, "was published after DISCONNECT");
    if (will.fate === "suppressed") {
      this.#complain(number, "was published, though its session was back in time");
    }
  }

  #complain(number: number, text: string): void {
    const { owner } = this.#wills[number]!;
    this.#world.findings.add("will", `will ${number} of ${owner} ${text}`, null, [owner]);
  }
}

/** A lost one whose owner stays away becomes due in the end. */
function isOwed({ count, fate, withdrawnInLife }: Will): boolean {
  return count === 0 && (fate === "owed" || (fate === "lost" && withdrawnInLife < 0));
}
