/**
 * Queues that are in the store: read page by page, with bounded memory, deleted as they are read.
 */

import assert from "node:assert/strict";
import { InboxOp } from "../../../../src/shared/inbox/inbox-types.ts";
import { chunkKey } from "../../../../src/shared/inbox/range/inbox-key.ts";
import { NO_LIMITS } from "../../../helpers/inbox-rig.ts";
import { both, sizeOf } from "../../../helpers/outbound-fixture.ts";
import { message } from "../../../helpers/service-workers.ts";

both(
  "waiting queue: a long queue is read page by page, and its chunks go as they are read",
  (fixture) => {
    const { rig } = fixture;
    const limits = { ...NO_LIMITS, sessionInboxSize: 100_000 };
    const names: string[] = [];
    for (let i = 0; i < 3000; i++) {
      names.push(`m${i}`);
      const payload = names[i]!.padEnd(100);
      fixture.rig.nowMs = i;
      if (i % 500 === 0) rig.save();
      fixture.rig.insert(
        message({ payload }),
        [
          {
            incarnation: rig.incarnation("c"),
            qos: 1,
            retain: false,
            subscriptionIdentifiers: [],
            shareFilter: null,
          },
        ],
        limits,
      );
    }
    rig.save();
    const inbox = rig.range.find("t", "c")!;
    assert.equal(inbox.queue, null, "nothing of it is in memory");
    const chunks = () => {
      return rig.store.scan(chunkKey(inbox.id, 0), chunkKey(inbox.id, 2 ** 40), 1000, 2 ** 30)
        .length;
    };
    const stored = chunks();
    fixture.attach(10);
    const got: string[] = [];
    let most = 0;
    for (let left = 3000; left > 0; left--) {
      const push = rig.recorder.pushes.shift()!;
      got.push(push.payload!.trim());
      rig.commit("c", fixture.token, InboxOp.ACKNOWLEDGED, push.packetId);
      most = Math.max(most, sizeOf(inbox));
      if (left === 1500) rig.save();
      if (left === 1500) assert.ok(chunks() < stored * 0.6, "what was read is gone");
    }
    rig.save();
    assert.equal(chunks(), 0);
    assert.deepEqual(got, names);
    assert.ok(most < 1000, `a page or two in memory, not ${most}`);
  },
);

both(
  "waiting queue: an attached session that does not read has a page of its queue in memory",
  (fixture) => {
    const { rig } = fixture;
    fixture.attach(1);
    for (let i = 0; i < 2000; i++) {
      fixture.offer(`m${i}`, 1, { ...NO_LIMITS, sessionInboxSize: 100_000 });
      if (i % 100 === 0) rig.save();
    }
    rig.save();
    const inbox = rig.range.find("t", "c")!;
    assert.ok(sizeOf(inbox) <= 400, `${sizeOf(inbox)} in memory`);
    for (let i = 0; i < 2000; i++) fixture.acknowledge(i + 1);
    const order = rig.recorder.pushes.map(({ payload }) => payload);
    assert.deepEqual(
      order,
      Array.from({ length: 2000 }, (_, i) => `m${i}`),
    );
  },
);
