/** What a client does next: drawn, from what it could do. */

import type { SimRandom } from "../../kernel/sim-random.ts";
import type { RangeProfile } from "../range-profile.ts";
import type { AttachWish } from "./connection.ts";
import type { SimSession } from "./sim-session.ts";
import { shareFilterOf, topicName } from "./topic-match.ts";
import type { WillBook } from "./will-book.ts";

/** Seconds. The longest outlasts every run but an ending that moves the clock. */
const EXPIRIES = [0, 1, 5, 30, 100_000, 100_000, 100_000];
const WILL_DELAYS = [0, 1, 5];
const CLEAN_START_SHARE = 0.06;
const WILL_SHARE = 0.4;

/** Draws how to connect. */
export function drawWish(random: SimRandom, wills: WillBook): AttachWish {
  const expirySeconds = random.pick(EXPIRIES);
  const hasWill = random.chance(WILL_SHARE);
  return {
    cleanStart: random.chance(CLEAN_START_SHARE),
    expirySeconds,
    receiveMaximum: random.pick([1, 2, 5, 100]),
    will: hasWill ? wills.add(random.pick(WILL_DELAYS), expirySeconds) : null,
  };
}

export function actSession(
  session: SimSession,
  random: SimRandom,
  wills: WillBook,
  { answerShare, sendShare, leaveShare, topicCount, hasGroup }: RangeProfile,
): void {
  const { connection } = session;
  if (connection === null || !connection.isOpen) {
    if (random.chance(0.3)) session.connect(drawWish(random, wills));
    return;
  }
  if (!connection.isAttached) {
    if (random.chance(0.05)) session.disconnect(false, -1);
    return;
  }
  if (random.chance(answerShare)) {
    for (let left = 1 + random.below(4); left > 0 && session.acknowledge(); left -= 1);
  }
  const number = random.below(topicCount);
  const isOfGroup = hasGroup && number === 0 && session.isMember;
  const filter = isOfGroup ? shareFilterOf(topicName(number)) : topicName(number);
  const draw = random.fraction();
  if (draw < 0.2) session.subscribe(filter);
  else if (draw < 0.25) session.unsubscribe(filter);
  else if (draw < 0.28) resubscribe(session, filter);
  else if (draw < 0.28 + sendShare) {
    session.publishing.publish(topicName(random.below(topicCount)));
  } else if (draw < 0.38 + sendShare) session.publishing.release();
  else if (draw < 0.38 + sendShare + leaveShare) leave(session, random, wills);
}

/** Without waiting for the answer in between. */
function resubscribe(session: SimSession, filter: string): void {
  session.unsubscribe(filter);
  session.subscribe(filter);
}

function leave(session: SimSession, random: SimRandom, wills: WillBook): void {
  const draw = random.fraction();
  if (draw < 0.3) session.disconnect(true, random.pick([-1, -1, 1, 100_000]));
  else if (draw < 0.6) session.disconnect(false, -1);
  else if (draw < 0.8) session.abandon();
  // Taken over while it is attached.
  else session.connect(drawWish(random, wills));
}
