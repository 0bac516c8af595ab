/**
 * The quotas of waiting messages are for the whole node, however many ranges its sessions are
 * spread over.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { messageFootprint } from "../../../src/shared/mqtt/message-codec.ts";
import {
  type AttachRequest,
  AttachStatus,
  InsertStatus,
} from "../../../src/workers/inbox/inbox-api.ts";
import { FakeSession, InboxWorkers, message, receiver } from "../../helpers/service-workers.ts";
import { nothing, ownedBy } from "./owned-by.ts";

const KIB = 1024;
const QUOTA = 1024 * KIB;
const PAYLOAD = "x".repeat(10 * KIB);

/** A session without a connection on each worker. */
function awaySessions(workers: InboxWorkers, workerCount: number): string[] {
  return Array.from({ length: workerCount }, (_, at) => {
    const session = new FakeSession("t", ownedBy(workers, at + 1), 1);
    workers.attach(1, session);
    workers.services(1).inboxClient.detach(session, -1, false, nothing);
    workers.run();
    return session.clientId;
  });
}

/** Messages of 10 KiB that fit into so many bytes. */
function fullAt(bytes: number): number {
  return Math.floor(bytes / messageFootprint(message({ payload: PAYLOAD })));
}

/** Messages of 10 KiB that are stored before one is refused. */
function fill(workers: InboxWorkers, clientIds: readonly string[], thread = 1): number {
  for (let count = 0; count < 1000; count++) {
    const clientId = clientIds[count % clientIds.length]!;
    const [status] = workers.insert(thread, clientId, [PAYLOAD]);
    if (status === InsertStatus.QUOTA) return count;
    assert.equal(status, InsertStatus.STORED);
  }
  throw new Error("nothing was refused");
}

for (const quota of ["tenantQueueBytes", "processQueueBytes"] as const) {
  test(`inbox quotas: ${quota} is no smaller for one session with more workers`, () => {
    const counts = [1, 4].map((workerCount) => {
      const workers = new InboxWorkers(workerCount, { [quota]: QUOTA });
      return fill(workers, [awaySessions(workers, workerCount)[0]!], workerCount);
    });
    assert.equal(counts[0], counts[1]);
    assert.equal(counts[0], fullAt(QUOTA));
  });

  test(`inbox quotas: ${quota} is one for the sessions of all workers`, () => {
    const workers = new InboxWorkers(4, { [quota]: QUOTA });
    const count = fill(workers, awaySessions(workers, 4));
    assert.equal(count, fullAt(QUOTA));
  });
}

test("inbox quotas: a burst from all workers into all ranges oversteps no quota of bytes", () => {
  for (const quota of ["tenantQueueBytes", "processQueueBytes"] as const) {
    const workers = new InboxWorkers(4, { [quota]: QUOTA });
    const incarnations = awaySessions(workers, 4).map((clientId) => workers.incarnation(clientId));
    const statuses: number[] = [];
    for (let count = 0; count < 400; count++) {
      const client = workers.services(1 + (count % 4)).inboxClient;
      const [first, second] = [incarnations[(count >> 2) % 4]!, incarnations[(count >> 4) % 4]!];
      const receivers = [receiver(first), ...(first === second ? [] : [receiver(second)])];
      const published = message({ payload: PAYLOAD });
      client.insert(published, receivers, (stored) => statuses.push(...stored));
      // Some are answered while others are on their way.
      if (count % 7 === 0) workers.mesh.deliver(1 + (count % 4), 1 + (count % 3));
    }
    workers.run();
    const stored = statuses.filter((status) => status === InsertStatus.STORED).length;
    assert.ok(stored > 90 && stored <= 102, `${stored} of 102`);
    assert.equal(fill(workers, awaySessions(workers, 1)) + stored, fullAt(QUOTA));
  }
});

test("inbox quotas: what one range lets go of another one may take", () => {
  const workers = new InboxWorkers(2, { tenantQueueBytes: QUOTA });
  const [full, empty] = awaySessions(workers, 2) as [string, string];
  fill(workers, [full]);
  assert.deepEqual(workers.insert(2, empty, [PAYLOAD]), [InsertStatus.QUOTA]);
  workers.attach(2, new FakeSession("t", full, 2), { cleanStart: true });
  assert.deepEqual(workers.insert(2, empty, [PAYLOAD]), [InsertStatus.STORED]);
});

test("inbox quotas: a worker that comes back tells what it holds, and hears of the others", () => {
  const workers = new InboxWorkers(2, { tenantQueueBytes: QUOTA });
  const [full, empty] = awaySessions(workers, 2) as [string, string];
  fill(workers, [full]);
  for (const thread of [1, 2]) {
    workers.restart(thread);
    workers.run();
    for (const from of [1, 2]) {
      assert.deepEqual(workers.insert(from, empty, [PAYLOAD]), [InsertStatus.QUOTA]);
    }
  }
});

test("inbox quotas: TotalPersistentSessions is one limit for the sessions of all workers", () => {
  const workers = new InboxWorkers(4);
  workers.settings = { ...workers.settings, TotalPersistentSessions: 40 };
  const attach = (name: string, fields = {}) => {
    const thread = 1 + (name.length % 4);
    return workers.attach(thread, new FakeSession("t", name, 1), fields)?.status;
  };
  const names = Array.from({ length: 60 }, (_, at) => `${at}`);
  const statuses = names.map((name) => attach(name));
  const accepted = statuses.filter((status) => status === AttachStatus.ATTACHED).length;
  assert.equal(accepted, 40);
  assert.equal(statuses.at(-1), AttachStatus.QUOTA);
  assert.equal(attach("59", { sessionExpirySeconds: 0 }), AttachStatus.ABSENT);
  workers.restart(2);
  workers.run();
  assert.equal(attach("59"), AttachStatus.QUOTA, "a worker that comes back hears of the others");
  const first = new FakeSession("t", "0", 2);
  assert.equal(workers.attach(3, first, { cleanStart: true })?.status, AttachStatus.ATTACHED);
  const ended = new FakeSession("t", "0", 3);
  const ending = { cleanStart: true, sessionExpirySeconds: 0 };
  assert.equal(workers.attach(1, ended, ending)?.status, AttachStatus.DISCARDED);
  assert.equal(attach("59"), AttachStatus.ATTACHED);
  assert.equal(workers.attach(2, new FakeSession("u", "59", 1))?.status, AttachStatus.ATTACHED);
});

test("inbox quotas: a burst never oversteps TotalPersistentSessions, and who tries again fills it", () => {
  const workers = new InboxWorkers(4);
  workers.settings = { ...workers.settings, TotalPersistentSessions: 50 };
  const attached = new Set<string>();
  const attach = (name: string, thread: number) => {
    const { inboxClient } = workers.services(thread);
    inboxClient.attach(attachRequest(name), new FakeSession("t", name, 1), ({ status }) => {
      if (status === AttachStatus.ATTACHED) attached.add(name);
      else assert.equal(status, AttachStatus.QUOTA);
    });
  };
  for (let at = 0; at < 200; at++) {
    attach(`${at}`, 1 + (at % 4));
    if (at % 5 === 0) workers.flush();
  }
  workers.run();
  assert.ok(attached.size > 10 && attached.size <= 50, `${attached.size} of 50`);
  for (let at = 0; at < 200; at++) {
    attach(`${at}`, 1 + (at % 3));
    workers.run();
  }
  assert.equal(attached.size, 50);
  const stored = [...attached];
  attached.clear();
  for (const name of stored) attach(name, 2);
  workers.run();
  assert.deepEqual([...attached].sort(), stored.sort(), "sessions that are there are resumed");
});

function attachRequest(clientId: string): AttachRequest {
  return {
    tenantId: "t",
    clientId,
    userId: "user",
    epoch: 1,
    cleanStart: false,
    sessionExpirySeconds: 3600,
    receiveMaximum: 10,
    will: null,
  };
}
