/**
 * The state of a range as text, wherever it is kept: what two replicas are compared by. The
 * machines are of no use afterwards.
 */

import { DistRange } from "../../../../src/shared/dist/dist-range.ts";
import { InboxRange } from "../../../../src/shared/inbox/range/inbox-range.ts";
import { RetainRange } from "../../../../src/shared/retain/retain-range.ts";
import { dumpRange } from "../../../helpers/inbox-dump.ts";
import { payloadOf } from "../../../helpers/service-workers.ts";
import { allRetained } from "../clients/retain-user.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";
import type { MachineHost } from "../host/machine-host.ts";
import { routeName } from "../node/output-tap.ts";

const EXCERPT = 60;

const encoder = new TextEncoder();

export function stateText(host: MachineHost, { machine }: HostedMachine): string {
  if (machine instanceof InboxRange) return JSON.stringify(dumpRange(machine), null, 1);
  if (machine instanceof RetainRange) return retainedText(host, machine);
  return machine instanceof DistRange ? routesText(machine) : "";
}

/** Where two texts part, with a little of both. */
export function firstDifference(left: string, right: string): string {
  let at = 0;
  while (at < left.length && left[at] === right[at]) at += 1;
  const from = Math.max(0, at - EXCERPT);
  const excerpt = (text: string) => text.slice(from, at + EXCERPT).replace(/\s+/g, " ");
  return `"${excerpt(left)}" and "${excerpt(right)}"`;
}

function retainedText({ kit }: MachineHost, range: RetainRange): string {
  const lines: string[] = [`${range.totals.topics} topics of ${range.totals.bytes} bytes`];
  for (const [tenantId, topic] of allRetained()) {
    const key = encoder.encode(topic);
    if (!range.holds(tenantId, key)) continue;
    lines.push(`${tenantId}/${topic}: ${payloadOf(kit.topics.read(tenantId, key))}`);
  }
  return lines.join("\n");
}

function routesText(range: DistRange): string {
  const lines: string[] = [`${range.keyCount} routes`];
  range.eachRoute(({ route, options }) => {
    lines.push(`${routeName(route)} ${route.incarnation} ${JSON.stringify(options)}`);
  });
  return [lines[0], ...lines.slice(1).sort()].join("\n");
}
