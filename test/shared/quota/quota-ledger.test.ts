import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  clearQuotas,
  createQuotaMemory,
  Quota,
  QuotaLedger,
} from "../../../src/shared/quota/quota-ledger.ts";

const WORKERS = 3;
const LIMIT = 20;

function ledgers(memory = createQuotaMemory(WORKERS)): QuotaLedger[] {
  return [1, 2, 3].map((thread) => new QuotaLedger(memory, thread));
}

test("quota ledger: each tenant and quota is counted by itself, over all workers", () => {
  const [one, two, three] = ledgers() as [QuotaLedger, QuotaLedger, QuotaLedger];
  one.account("a").hold(Quota.SESSIONS, 3);
  two.account("a").hold(Quota.SESSIONS, 4);
  two.account("a").hold(Quota.SESSIONS, 2);
  two.account("b").hold(Quota.SESSIONS, 7);
  one.account("a").reserve(Quota.RETAINED_BYTES, 2 ** 40);
  one.all.hold(Quota.QUEUE_BYTES, 11);
  assert.equal(three.account("a").held(Quota.SESSIONS), 5);
  assert.equal(three.account("b").held(Quota.SESSIONS), 7);
  assert.equal(three.account("a").room(Quota.RETAINED_BYTES, 2 ** 41, 0), 2 ** 40);
  assert.equal(three.account("b").room(Quota.RETAINED_BYTES, 2 ** 41, 0), 2 ** 41);
  assert.equal(three.all.held(Quota.QUEUE_BYTES), 11);
  assert.equal(three.account("a").room(Quota.SESSIONS, 4, 0), 0, "never negative");
});

test("quota ledger: what is reserved is no other's, and one's own does not count twice", () => {
  const [one, two] = ledgers() as [QuotaLedger, QuotaLedger];
  one.account("a").reserve(Quota.SESSIONS, 1);
  assert.equal(one.account("a").room(Quota.SESSIONS, 2, 1), 2);
  two.account("a").reserve(Quota.SESSIONS, 1);
  assert.equal(two.account("a").room(Quota.SESSIONS, 2, 1), 1);
  assert.equal(two.account("a").room(Quota.SESSIONS, 1, 1), 0);
  one.account("a").release(Quota.SESSIONS, 1);
  assert.equal(two.account("a").room(Quota.SESSIONS, 1, 1), 1);
});

/** A command of `thread` that adds `amount` in a range of `owner` if it finds room. */
interface Command {
  readonly thread: number;
  readonly owner: number;
  readonly amount: number;
  readonly room: number;
}

test("quota ledger: whatever the order of proposals, answers and removals, nothing is overstepped", () => {
  const worker = fc.nat(WORKERS - 1);
  const propose = fc.record({
    thread: worker,
    owner: worker,
    amount: fc.integer({ min: 1, max: 6 }),
  });
  const step = fc.oneof(
    { weight: 3, arbitrary: propose },
    { weight: 3, arbitrary: fc.record({ apply: fc.nat(9) }) },
    { weight: 2, arbitrary: fc.record({ answer: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ remove: worker, amount: fc.integer({ min: 1, max: 6 }) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const accounts = ledgers().map((ledger) => ledger.account("a"));
      const proposed: Command[] = [];
      const applied: Command[] = [];
      const held = [0, 0, 0];
      for (const one of steps) {
        if ("thread" in one) {
          accounts[one.thread]!.reserve(Quota.SESSIONS, one.amount);
          const room = accounts[one.thread]!.room(Quota.SESSIONS, LIMIT, one.amount);
          proposed.push({ ...one, room });
        } else if ("apply" in one) {
          const [command] = proposed.splice(one.apply % Math.max(1, proposed.length), 1);
          if (command === undefined) continue;
          if (command.amount <= command.room) held[command.owner]! += command.amount;
          accounts[command.owner]!.hold(Quota.SESSIONS, held[command.owner]!);
          applied.push(command);
        } else if ("answer" in one) {
          const [command] = applied.splice(one.answer % Math.max(1, applied.length), 1);
          if (command === undefined) continue;
          accounts[command.thread]!.release(Quota.SESSIONS, command.amount);
        } else {
          held[one.remove] = Math.max(0, held[one.remove]! - one.amount);
          accounts[one.remove]!.hold(Quota.SESSIONS, held[one.remove]!);
        }
        const sum = held.reduce((all, amount) => all + amount, 0);
        assert.ok(sum <= LIMIT, `${sum} of ${LIMIT}`);
      }
    }),
  );
});

test("quota ledger: what a dead worker held counts until its successor has told, what it reserved does not", () => {
  const memory = createQuotaMemory(WORKERS);
  const [one, two] = ledgers(memory) as [QuotaLedger, QuotaLedger];
  one.account("a").hold(Quota.SESSIONS, 5);
  one.account("gone").hold(Quota.SESSIONS, 2);
  one.account("a").reserve(Quota.SESSIONS, 3);
  one.all.hold(Quota.QUEUE_BYTES, 100);
  one.all.hold(Quota.TRANSIENT_BYTES, 50);
  clearQuotas(memory, 1);
  assert.equal(two.account("a").room(Quota.SESSIONS, 10, 0), 5);
  assert.equal(two.all.held(Quota.TRANSIENT_BYTES), 0);
  const successor = new QuotaLedger(memory, 1);
  assert.equal(two.account("a").held(Quota.SESSIONS), 5);
  successor.account("a").hold(Quota.SESSIONS, 4);
  successor.dropInherited(Quota.SESSIONS);
  assert.equal(two.account("a").held(Quota.SESSIONS), 4);
  assert.equal(two.account("gone").held(Quota.SESSIONS), 0);
  assert.equal(two.all.held(Quota.QUEUE_BYTES), 100, "another quota, not told yet");
});

test("quota ledger: thousands of tenants have accounts of their own", () => {
  const [one, two] = ledgers() as [QuotaLedger, QuotaLedger];
  for (let at = 0; at < 5000; at++) one.account(`tenant-${at}`).hold(Quota.SESSIONS, at);
  for (let at = 0; at < 5000; at++) {
    assert.equal(two.account(`tenant-${at}`).held(Quota.SESSIONS), at);
  }
});
