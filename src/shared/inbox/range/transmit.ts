/**
 * The last step to an attached session: what its inbox has sent, as far as the state goes, is
 * pushed to its worker while the way there is free, and waits otherwise. Nothing here is state: a
 * reconnect repeats whatever is in flight.
 */

import { RingQueue } from "../../collections/ring-queue.ts";
import type { Delivery } from "./delivery.ts";
import type { Inbox } from "./inbox.ts";
import type { RangeState } from "./range-state.ts";

/** Without a message: PUBREL. */
export function transmit(state: RangeState, inbox: Inbox, delivery: Delivery): void {
  if (!inbox.isReachable) return;
  const { unsent } = inbox;
  if (unsent === null && state.output.canPush(inbox.thread)) {
    push(state, inbox, delivery);
    return;
  }
  inbox.unsent ??= new RingQueue();
  inbox.unsent.push(delivery);
}

/** The way to the session's worker is free again. */
export function resumeTransmit(state: RangeState, inbox: Inbox): void {
  const { unsent } = inbox;
  if (unsent === null) return;
  while (unsent.size > 0 && state.output.canPush(inbox.thread)) {
    const delivery = unsent.shift()!;
    // Acknowledged meanwhile: the client had it after all.
    if (delivery.packetId !== 0) push(state, inbox, delivery);
  }
  if (unsent.size === 0) inbox.unsent = null;
}

function push(state: RangeState, inbox: Inbox, delivery: Delivery): void {
  if (delivery.stored !== null) state.shared.load(delivery.stored);
  state.output.push(inbox, delivery, delivery.isRepeat && delivery.stored !== null); // [MQTT-3.3.1-1]
}
