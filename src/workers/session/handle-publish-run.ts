/**
 * A PUBLISH whose like follow directly behind it: all of them at once, where nothing has to be
 * looked at one by one. Flow: publish 4/8. Thread: worker. Hot: allocates one view per run.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import type { PacketView } from "../../shared/mqtt/packet-view.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import { PublishRun } from "../dist/publish-run.ts";
import { CHUNK_SIZE_MAX } from "../mqtt/output-pool.ts";
import type { Session } from "./session.ts";
import type { Tenant } from "./tenant.ts";
import { isTraced } from "./trace.ts";

/** One per thread: publishes are handled one after the other, and nobody keeps it. */
const run = new PublishRun();
/** A run is one write of a subscriber: no larger piece of output than any other. */
const limits = { runBytes: CHUNK_SIZE_MAX, packetBytes: 0, payloadBytes: 0 };

/**
 * Distributes `context.publish`, loaded from `view`, and the packets behind it that are alike.
 * Returns how many bytes they take; 0: nothing has been done, also not with the packet itself.
 */
export function distributeRun(session: Session, tenant: Tenant, view: PacketView): number {
  const { config, publish, publisher } = session.context;
  const packetEnd = view.packetOffset + view.packetSize;
  if (packetEnd === view.bytesEnd || !publish.isRepeatable) return 0;
  if (isRateLimited(tenant.settings) || isTraced(session)) return 0;
  limits.packetBytes = config.limits.maxPacketSize;
  limits.payloadBytes = tenant.settings.MaxUserPayloadBytes;
  run.begin(view, session.isV5, limits);
  if (!publisher.publishRun(publish, run)) return 0;
  countMore(session, tenant, run.count - 1, run.payloadBytes - view.payloadLength);
  return run.end - packetEnd;
}

/** Rates are charged packet by packet: one of them may have to wait. */
function isRateLimited(settings: TenantSettings): boolean {
  return settings.MsgPubPerSec !== 0 || settings.InBoundBandWidth !== 0;
}

/** Counts `packets` received beyond the first, which is counted like any other. */
function countMore(session: Session, tenant: Tenant, packets: number, payloadBytes: number): void {
  const { counters } = session.context;
  counters[Counter.PACKETS_RECEIVED]! += packets;
  counters[Counter.PUBLISH_RECEIVED_QOS0]! += packets;
  counters[Counter.PUBLISH_RECEIVED_BYTES]! += payloadBytes;
  tenant.counters.messagesReceived += packets;
  tenant.counters.publishReceived += packets;
  tenant.counters.publishBytesReceived += payloadBytes;
}
