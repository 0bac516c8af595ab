import assert from "node:assert/strict";
import test from "node:test";
import { CrashWorld } from "./crash-world.ts";
import { WillLedger } from "./will-ledger.ts";

const DELAY_S = 2;

/** A broker that has been up since 0, in its first life; the test sets the time. */
class WillRig {
  readonly world = new CrashWorld();
  readonly ledger = new WillLedger(this.world);
  readonly number: number;
  now = 0;
  /** For how long somebody was stopped in between. */
  stopped = 0;

  constructor(delaySeconds = DELAY_S) {
    this.world.nowMs = () => this.now + this.stopped;
    this.world.liveMs = () => this.now;
    this.world.readySinceMs = 0;
    this.world.life = 1;
    this.number = this.ledger.announced("w", delaySeconds);
    this.ledger.accepted(this.number);
  }

  /** At 10 s. */
  lose(): this {
    this.now = 10_000;
    this.ledger.lost(this.number, 9_990);
    return this;
  }

  at(milliseconds: number): this {
    this.now = milliseconds;
    return this;
  }

  back(): this {
    this.ledger.back(this.number);
    return this;
  }

  publish(): this {
    this.ledger.published(this.number);
    return this;
  }

  /** What is complained about at the end. */
  get found(): string[] {
    this.ledger.close();
    return this.world.findings.list.map(({ text }) => text.replace(/^will 0 of w (was )?/u, ""));
  }
}

test("crash wills: one whose session stays away is owed", () => {
  assert.equal(new WillRig().lose().ledger.isSettled, false);
  assert.deepEqual(new WillRig().lose().found, ["not published (lost, delay 2000 ms)"]);
  assert.deepEqual(new WillRig().lose().at(12_600).back().found.length, 1, "came back too late");
  assert.deepEqual(new WillRig().lose().at(12_100).publish().found, []);
});

test("crash wills: one whose session is back in time must not be published [MQTT-3.1.3-9]", () => {
  const rig = () => new WillRig().lose().at(11_000).back();
  assert.deepEqual(rig().found, []);
  assert.deepEqual(rig().publish().found, ["published, though its session was back in time"]);
  assert.deepEqual(new WillRig().lose().at(12_000).back().publish().found, [], "too close to say");
});

test("crash wills: without a delay it is owed however soon the session is back", () => {
  assert.deepEqual(new WillRig(0).lose().back().found, ["not published (owed, delay 0 ms)"]);
});

test("crash wills: a broker that was away has time from its return on", () => {
  const rig = new WillRig().lose();
  rig.world.readySinceMs = 11_000;
  assert.deepEqual(rig.at(13_200).back().found, []);
});

test("crash wills: DISCONNECT forbids it once a new CONNECT has followed in the same life", () => {
  const rig = new WillRig();
  rig.ledger.withdrawing(rig.number);
  rig.lose();
  assert.equal(rig.ledger.isSettled, true, "it is not owed");
  assert.deepEqual(rig.back().publish().found, ["published after DISCONNECT"]);
  const killed = new WillRig();
  killed.ledger.withdrawing(killed.number);
  killed.lose();
  killed.world.life = 2;
  assert.deepEqual(killed.back().publish().found, [], "DISCONNECT may have been lost");
});

test("crash wills: twice is right only after a restart", () => {
  const rig = new WillRig().lose().at(13_000).publish();
  assert.deepEqual(rig.publish().found, ["published twice by one process"]);
  const killed = new WillRig().lose().at(13_000).publish();
  killed.world.life = 2;
  assert.deepEqual(killed.publish().found, []);
});

test("crash wills: one that is published while its session is connected is found", () => {
  const rig = new WillRig().at(5_000).publish();
  assert.deepEqual(rig.lose().found, ["published while the session was connected"]);
});

test("crash wills: a stop makes nobody late, and may bring the moment nearer", () => {
  const rig = new WillRig().lose();
  rig.stopped = 60_000;
  rig.at(10_100).back();
  assert.equal(rig.ledger.isSettled, true, "it is not owed");
  assert.deepEqual(rig.publish().found, [], "nor is it wrong");
});
