/**
 * QoS 2 publishes to shared groups that their client sends again: one member gets them, once.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { InsertStatus } from "../../../src/workers/inbox/inbox-api.ts";
import { FakeSession, InboxWorkers, message, receiver } from "../../helpers/service-workers.ts";
import { nothing, ownedBy } from "./owned-by.ts";

const WHO = { publisher: 4097, packetId: 5, sequence: 1, settled: 0, fingerprint: 9 };

/** `epoch` above 1: the repeat on a later connection. */
function attempt(epoch: number) {
  const sent = message({ payload: "m", qos: 2 });
  const isRepeat = epoch > 1;
  sent.origin = { ...WHO, epoch, isRepeat, isForStored: isRepeat };
  return sent;
}

test("group repeats: says whether any range has taken a publish for a group, and stores nothing [MQTT-4.8.2-4]", () => {
  const workers = new InboxWorkers(2);
  const [one, other] = [1, 2].map((owner) => new FakeSession("t", ownedBy(workers, owner), 1));
  workers.attach(1, one!);
  workers.attach(1, other!);
  const client = workers.services(1).inboxClient;
  const answers: string[] = [];
  const ask = (shareFilter: string) => {
    client.askTaken(attempt(2), shareFilter, (status) => {
      answers.push(status === InsertStatus.STORED ? "taken" : "free");
    });
    workers.run();
    return answers.splice(0).join();
  };
  assert.equal(ask("$share/h/a"), "free");
  const shareFilter = "$share/g/a";
  const member = receiver(workers.incarnation(other!.clientId), { qos: 2, shareFilter });
  client.insert(attempt(1), [member], nothing);
  workers.run();
  assert.deepEqual([ask("$share/g/a"), ask("$share/h/a")], ["taken", "free"]);
  assert.deepEqual([one!.takePayloads(), other!.takePayloads()], [[], ["m"]]);
});

test("group repeats: a QoS 2 publish to a group is stored once, though its first attempt comes behind the repeat [MQTT-4.8.2-4]", () => {
  const workers = new InboxWorkers(2);
  const [one, other] = [1, 2].map((owner) => new FakeSession("t", ownedBy(workers, owner), 1));
  workers.attach(1, one!);
  workers.attach(1, other!);
  const shareFilter = "$share/g/a";
  const to = ({ clientId }: FakeSession) => {
    return [receiver(workers.incarnation(clientId), { qos: 2, shareFilter })];
  };
  const client = workers.services(2).inboxClient;
  client.askTaken(attempt(2), shareFilter, (status) => {
    assert.equal(status, InsertStatus.NO_INBOX);
    client.insert(attempt(2), to(other!), nothing);
  });
  workers.run();
  const statuses: number[] = [];
  workers.services(1).inboxClient.insert(attempt(1), to(one!), (got) => statuses.push(...got));
  workers.run();
  assert.deepEqual(statuses, [InsertStatus.STORED]);
  assert.deepEqual([one!.takePayloads(), other!.takePayloads()], [[], ["m"]]);
});

test("group repeats: that a member without a stored session has got a publish is known everywhere", () => {
  const workers = new InboxWorkers(2);
  workers.services(1).inboxClient.noteTaken(attempt(1), "$share/g/a");
  workers.run();
  const statuses: InsertStatus[] = [];
  for (const filter of ["$share/g/a", "$share/h/a"]) {
    workers.services(2).inboxClient.askTaken(attempt(2), filter, (status) => statuses.push(status));
  }
  workers.run();
  assert.deepEqual(statuses, [InsertStatus.STORED, InsertStatus.NO_INBOX]);
});

test("group repeats: a QoS 2 publish reaches stored sessions at QoS 0 once, and of a group one member", () => {
  const workers = new InboxWorkers(2);
  const [one, other] = [1, 2].map((owner) => new FakeSession("t", ownedBy(workers, owner), 1));
  workers.attach(1, one!);
  workers.attach(2, other!);
  const to = ({ clientId }: FakeSession, shareFilter: string | null) => {
    return receiver(workers.incarnation(clientId), { qos: 0, shareFilter });
  };
  const pass = (epoch: number, shareFilter: string | null) => {
    const { inboxClient } = workers.services(epoch);
    inboxClient.insertQosZero(attempt(epoch), [
      to(one!, null),
      to(epoch === 1 ? one! : other!, shareFilter),
    ]);
    workers.run();
    return [one!.takePayloads().length, other!.takePayloads().length];
  };
  assert.deepEqual(pass(1, "$share/g/a"), [2, 0]);
  assert.deepEqual(pass(2, "$share/g/a"), [0, 0]);
  assert.deepEqual(pass(2, "$share/h/a"), [0, 1], "another group");
});

test("group repeats: what left at QoS 0 for a member is known to whoever asks [MQTT-4.8.2-4]", () => {
  const workers = new InboxWorkers(2);
  const session = new FakeSession("t", ownedBy(workers, 1), 1);
  workers.attach(1, session);
  const shareFilter = "$share/g/a";
  const member = receiver(workers.incarnation(session.clientId), { qos: 0, shareFilter });
  workers.services(2).inboxClient.insertQosZero(attempt(1), [member]);
  workers.run();
  const statuses: InsertStatus[] = [];
  workers.services(1).inboxClient.askTaken(attempt(2), shareFilter, (got) => statuses.push(got));
  workers.run();
  assert.deepEqual(statuses, [InsertStatus.STORED]);
  assert.deepEqual(session.takePayloads(), ["m"]);
});
