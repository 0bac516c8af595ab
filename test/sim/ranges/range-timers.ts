/** Proposes what is due by itself: only who serves a range does. */

import { writeDue } from "../../../src/shared/inbox/log-command.ts";
import { bucketOfId } from "../../../src/shared/inbox/range/inbox-key.ts";
import { InboxRange } from "../../../src/shared/inbox/range/inbox-range.ts";
import { ServiceId } from "../../../src/shared/range/service-id.ts";
import { retainRangeKey } from "../../../src/shared/retain/retain-key.ts";
import { writeRetainExpire } from "../../../src/shared/retain/retain-log-command.ts";
import type { FrontDesk } from "./gateway/front-desk.ts";
import { routingKey } from "./gateway/gateway-command.ts";
import type { RangeNode } from "./node/range-node.ts";

/** What is not this node's, or got lost, is looked at again after this time. */
const AGAIN_MS = 2000;

export function runTimers(nodes: readonly RangeNode[], desk: FrontDesk): void {
  for (const { node, hosted } of desk.gateway.reigns()) {
    const { machine } = hosted;
    if (!(machine instanceof InboxRange)) continue;
    machine.pollDue(node.nowMs, (incarnation) => proposeDue(desk, incarnation));
  }
  for (const node of nodes) if (node.isUp) expireRetained(node, desk);
}

function proposeDue(desk: FrontDesk, incarnation: number): void {
  desk.propose({
    service: ServiceId.INBOX,
    key: routingKey(bucketOfId(incarnation)),
    write: (writer) => writeDue(writer, incarnation),
    isOver: () => false,
    lost: () => {},
  });
}

function expireRetained(node: RangeNode, desk: FrontDesk): void {
  const { topics } = node.host!.kit;
  const { nowMs } = node;
  for (;;) {
    const expired = topics.pollExpired(nowMs);
    if (expired === null) return;
    topics.expectAgain(expired, nowMs + AGAIN_MS);
    const { tenantId, topic, expiresAtMs } = expired;
    const key = retainRangeKey(tenantId, topic);
    if (desk.gateway.reignOf(ServiceId.RETAIN, key)?.node !== node) continue;
    desk.propose({
      service: ServiceId.RETAIN,
      key,
      write: (writer) => writeRetainExpire(writer, tenantId, topic, expiresAtMs),
      isOver: () => false,
      lost: () => {},
    });
  }
}
