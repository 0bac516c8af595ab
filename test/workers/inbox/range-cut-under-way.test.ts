/** Messages and questions that are under way to inbox ranges while one of these is cut. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { InsertStatus } from "../../../src/workers/inbox/inbox-api.ts";
import { FakeSession, message, receiver, ServiceWorkers } from "../../helpers/service-workers.ts";

/** Cuts the only inbox range; `beforeRound` is called before each turn of the rings. */
async function cut(workers: ServiceWorkers, beforeRound: (round: number) => void): Promise<void> {
  const { lifeCycle, groups } = workers.ranges;
  const [range] = groups.directory.of(ServiceId.INBOX);
  let isCut = false;
  void lifeCycle.split(range!.id, Uint8Array.of(0x80, 0, 0, 0)).then(() => {
    isCut = true;
  });
  for (let round = 0; !isCut; round++) {
    beforeRound(round);
    workers.flush();
    for (const source of [0, 1]) for (const to of [0, 1]) workers.mesh.deliver(source, to);
    await new Promise((resolve) => setImmediate(resolve));
  }
  workers.run();
  assert.equal(groups.directory.of(ServiceId.INBOX).length, 2);
}

test("inbox service: a message for sessions in both halves of a range that is cut reaches all of them", async () => {
  for (let last = 0; last < 8; last++) {
    const workers = new ServiceWorkers(1);
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    for (const name of names) workers.attach(1, new FakeSession("t", name, 1));
    const receivers = names.map((name) => receiver(workers.incarnation(name)));
    const { inboxClient } = workers.services(1);
    const statuses: number[] = [];
    await cut(workers, (round) => {
      if (round > last) return;
      inboxClient.insert(message(), receivers, (got) => statuses.push(...got));
    });
    const expected = new Array<number>((last + 1) * names.length).fill(InsertStatus.STORED);
    assert.deepEqual(statuses, expected, `the last one in round ${last}`);
  }
});

test("inbox service: whether a group has got a publish is asked in both halves of a range that is cut [MQTT-4.8.2-4]", async () => {
  const shareFilter = "$share/g/a";
  const attempt = (epoch: number) => {
    const sent = message({ qos: 2 });
    const who = { publisher: 4097, packetId: 5, sequence: 1, settled: 0, fingerprint: 9 };
    sent.origin = { ...who, epoch, isRepeat: epoch > 1, isForStored: epoch > 1 };
    return sent;
  };
  for (let asked = 0; asked < 8; asked++) {
    const workers = new ServiceWorkers(1);
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    for (const name of names) workers.attach(1, new FakeSession("t", name, 1));
    const { inboxClient } = workers.services(1);
    const answers: number[] = [];
    await cut(workers, (round) => {
      if (round !== asked) return;
      inboxClient.askTaken(attempt(2), shareFilter, (status) => answers.push(status));
    });
    assert.deepEqual(answers, [InsertStatus.NO_INBOX]);
    // None of them may take the first attempt now: the repeat has gone to a member elsewhere.
    for (const name of names) {
      const to = receiver(workers.incarnation(name), { qos: 2, shareFilter });
      inboxClient.insert(attempt(1), [to], () => {});
    }
    workers.run();
    const loads = names.map((name) => workers.inboxRange(name)?.find("t", name)?.load);
    assert.deepEqual(new Set(loads), new Set([0]), `asked in round ${asked}`);
  }
});
