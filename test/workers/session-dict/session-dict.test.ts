/**
 * The session dictionary over fake rings: two workers race, owners and holders die.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ownerThread } from "../../../src/shared/session-dict/owner-thread.ts";
import { InboxOp } from "../../../src/workers/inbox/inbox-api.ts";
import { ClaimStatus } from "../../../src/workers/session-dict/session-dict-api.ts";
import { FakeSession, ServiceWorkers } from "../../helpers/service-workers.ts";

interface Outcome {
  readonly thread: number;
  readonly status: ClaimStatus;
  readonly epoch: number;
}

function claim(
  workers: ServiceWorkers,
  thread: number,
  clientId = "c",
  userId = "user",
): Outcome[] {
  const outcomes: Outcome[] = [];
  workers
    .services(thread)
    .sessionDict.claim("t", clientId, userId, (status, epoch) =>
      outcomes.push({ thread, status, epoch }),
    );
  return outcomes;
}

/** Every kicked connection closes at once. */
function releaseWhenKicked(workers: ServiceWorkers, threads: readonly number[]): string[] {
  const kicks: string[] = [];
  for (const thread of threads) {
    const { sessionDict } = workers.services(thread);
    sessionDict.onKick = (tenantId, clientId, epoch) => {
      kicks.push(`${clientId}@${thread}`);
      sessionDict.release(tenantId, clientId, epoch);
    };
  }
  return kicks;
}

function ownedBy(workers: ServiceWorkers, owner: number): string {
  const count = workers.mesh.threadCount - 1;
  for (let i = 0; ; i++) if (ownerThread("t", `c${i}`, count) === owner) return `c${i}`;
}

test("session dict: two connections with one client identifier on two workers: one survivor", () => {
  const workers = new ServiceWorkers(3);
  const kicks = releaseWhenKicked(workers, [1, 2, 3]);
  const outcomes = [claim(workers, 1), claim(workers, 2), claim(workers, 3)];
  workers.run();
  const statuses = outcomes.map(([outcome]) => outcome!.status);
  assert.equal(kicks.length + statuses.filter((s) => s === ClaimStatus.SUPERSEDED).length, 2);
  const granted = outcomes.flat().filter(({ status }) => status === ClaimStatus.GRANTED);
  assert.equal(new Set(granted.map(({ epoch }) => epoch)).size, granted.length);
  assert.equal(granted.length - kicks.length, 1);
});

test("session dict: the successor is granted after its predecessor's last inbox commits", () => {
  const workers = new ServiceWorkers(2);
  const clientId = ownedBy(workers, 1);
  const first = claim(workers, 2, clientId);
  workers.run();
  const session = new FakeSession("t", clientId, first[0]!.epoch);
  workers.attach(2, session);
  workers.insert(1, clientId, ["m"]);
  const { sessionDict, inboxClient } = workers.services(2);
  sessionDict.onKick = (tenantId, kicked, epoch) => {
    inboxClient.commit(session, InboxOp.ACKNOWLEDGED, 1, null);
    inboxClient.detach(session, -1, true, () => sessionDict.release(tenantId, kicked, epoch));
  };
  const resumed: FakeSession[] = [];
  workers.services(1).sessionDict.claim("t", clientId, "user", (status, epoch) => {
    assert.equal(status, ClaimStatus.GRANTED);
    const next = new FakeSession("t", clientId, epoch);
    workers.services(1).inboxClient.attach(
      {
        tenantId: "t",
        clientId,
        userId: "user",
        epoch,
        cleanStart: false,
        sessionExpirySeconds: 60,
        receiveMaximum: 10,
        will: null,
      },
      next,
      (reply) => {
        assert.equal(reply.sessionPresent, true);
        resumed.push(next);
      },
    );
  });
  // Only worker 1 runs: the release waits for what worker 2 has gathered.
  workers.mesh.pump(() => workers.services(1).flush());
  assert.equal(resumed.length, 0);
  workers.run();
  assert.equal(resumed.length, 1);
  assert.deepEqual(resumed[0]!.pushes, [], "acknowledged, so not repeated");
});

test("session dict: another user is refused", () => {
  const workers = new ServiceWorkers(2);
  const first = claim(workers, 1);
  workers.run();
  const thief = claim(workers, 2, "c", "thief");
  workers.run();
  assert.equal(first[0]!.status, ClaimStatus.GRANTED);
  assert.deepEqual(thief, [{ thread: 2, status: ClaimStatus.WRONG_USER, epoch: 0 }]);
});

test("session dict: a dead holder's session is granted to who waits for it", () => {
  const workers = new ServiceWorkers(3);
  const clientId = ownedBy(workers, 1);
  claim(workers, 2, clientId);
  workers.run();
  const waiting = claim(workers, 3, clientId);
  workers.run();
  assert.equal(waiting.length, 0);
  workers.restart(2);
  workers.run();
  assert.equal(waiting[0]!.status, ClaimStatus.GRANTED);
});

test("session dict: a dead owner fails the claims that wait for it; trying again succeeds", () => {
  const workers = new ServiceWorkers(2);
  const clientId = ownedBy(workers, 1);
  const statuses: ClaimStatus[] = [];
  const { sessionDict } = workers.services(2);
  const tryAgain = (status: ClaimStatus) => {
    statuses.push(status);
    if (status === ClaimStatus.UNAVAILABLE) sessionDict.claim("t", clientId, "user", tryAgain);
  };
  sessionDict.claim("t", clientId, "user", tryAgain);
  workers.restart(1);
  assert.deepEqual(statuses, [ClaimStatus.UNAVAILABLE]);
  workers.run();
  assert.deepEqual(statuses, [ClaimStatus.UNAVAILABLE, ClaimStatus.GRANTED]);
});

test("session dict: live sessions survive their owner's restart and can still be kicked", () => {
  const workers = new ServiceWorkers(3);
  const clientId = ownedBy(workers, 1);
  const first = claim(workers, 2, clientId);
  workers.run();
  workers.restart(1);
  workers.run();
  const kicks = releaseWhenKicked(workers, [2]);
  const second = claim(workers, 3, clientId);
  workers.run();
  assert.deepEqual(kicks, [`${clientId}@2`]);
  assert.equal(second[0]!.status, ClaimStatus.GRANTED);
  assert.ok(second[0]!.epoch > first[0]!.epoch);
});

test("session dict: a claim that beats the old holder's report to the restarted owner wins", () => {
  const workers = new ServiceWorkers(3);
  const clientId = ownedBy(workers, 1);
  claim(workers, 2, clientId);
  workers.run();
  const kicks = releaseWhenKicked(workers, [2, 3]);
  workers.restart(1);
  const second = claim(workers, 3, clientId);
  while (workers.mesh.deliver(3, 1));
  workers.run();
  assert.equal(second[0]!.status, ClaimStatus.GRANTED);
  assert.deepEqual(kicks, [`${clientId}@2`]);
});

test("session dict: over random deliveries at most one connection believes that it holds the session", () => {
  const step = fc.record({
    source: fc.integer({ min: 1, max: 3 }),
    target: fc.integer({ min: 1, max: 3 }),
  });
  const history = fc.array(fc.oneof(step, fc.integer({ min: 1, max: 3 })), { maxLength: 60 });
  fc.assert(
    fc.property(history, (events) => {
      const workers = new ServiceWorkers(3);
      const believers = new Set<number>();
      let answered = 0;
      let claims = 0;
      for (const thread of [1, 2, 3]) {
        const { sessionDict } = workers.services(thread);
        sessionDict.onKick = (tenantId, clientId, epoch) => {
          assert.ok(believers.delete(epoch), "only a holder is kicked");
          sessionDict.release(tenantId, clientId, epoch);
        };
      }
      for (const event of events) {
        if (typeof event === "number") {
          claims += 1;
          workers.services(event).sessionDict.claim("t", "c", "user", (status, epoch) => {
            answered += 1;
            if (status === ClaimStatus.GRANTED) believers.add(epoch);
          });
        } else {
          workers.mesh.deliver(event.source, event.target);
        }
        assert.ok(believers.size <= 1);
      }
      workers.run();
      assert.equal(answered, claims);
      assert.equal(believers.size, Math.min(claims, 1));
    }),
    { numRuns: 300 },
  );
});
