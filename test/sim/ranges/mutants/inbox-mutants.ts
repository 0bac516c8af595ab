/** Broken stored sessions. */

import { type RangeMutant, rangeMutant } from "./range-mutant.ts";

const CUT = "inbox/range/range-cut";
const LIFE = "inbox/range/session-life";
const OUT = "inbox/range/outbound";
const SHARED = "inbox/range/shared-messages";
const COLLECTOR = "inbox/range/range-collector";
const QUEUE = "inbox/range/waiting-queue";
const RANGE = "inbox/range/inbox-range";
const TAKEN = "repeats/taken-publishes";

export const INBOX_MUTANTS: readonly RangeMutant[] = [
  rangeMutant(
    "a reference counts for two",
    SHARED,
    "stored.references += 1;",
    "stored.references += 2;",
  ),
  rangeMutant(
    "a reference is let go of twice",
    SHARED,
    "stored.references -= 1;",
    "stored.references -= stored.references > 1 ? 2 : 1;",
  ),
  rangeMutant(
    "a changed count of references is not stored",
    SHARED,
    "this.#putCount(writer, stored);",
    "void 0;",
  ),
  rangeMutant(
    "received identifiers are forgotten at a restart",
    COLLECTOR,
    "(changed & Changed.INBOUND) !== 0",
    "false",
  ),
  rangeMutant(
    "the end of an exchange is not stored",
    OUT,
    "inbox.endedExchanges.push(delivery.packetId);",
    "",
  ),
  rangeMutant(
    "PUBREC is not stored",
    OUT,
    "state.release(inbox, delivery);\n    changeExchange(state, inbox, delivery);",
    "state.release(inbox, delivery);",
  ),
  rangeMutant(
    "the last packet identifier is not stored",
    "inbox/range/head-codec",
    "writer.u16(inbox.lastPacketId);",
    "writer.u16(0);",
  ),
  rangeMutant(
    "numbers are given out again after a restart",
    "inbox/range/range-loader",
    "state.lastNumber = decode(counters, (bytes) => bytes.u64());",
    "void decode(counters, (bytes) => bytes.u64());",
  ),
  rangeMutant(
    "a chunk of the queue is deleted one message too early",
    QUEUE,
    "if (end > firstSequence)",
    "if (end > firstSequence + 1)",
  ),
  rangeMutant(
    "a session sleeps although it has changed meanwhile",
    COLLECTOR,
    "if ((inbox.changed & ~Changed.HEAD) === 0) {",
    "if (true) {",
  ),
  rangeMutant("an offline queue stays in memory", COLLECTOR, "inbox.queue = null;", "void 0;"),
  rangeMutant("a repetition comes without DUP", OUT, "delivery.isRepeat = true;", ""),
  rangeMutant(
    "the window is one too large",
    OUT,
    "outstanding < inbox.receiveMaximum",
    "outstanding <= inbox.receiveMaximum",
  ),
  rangeMutant(
    "expired messages are sent",
    OUT,
    "if (stored.expiresAtMs <= nowMs) {",
    "if (false) {",
  ),
  rangeMutant(
    "a message expires by seconds for milliseconds",
    "inbox/range/delivery",
    "message.expirySeconds * 1000",
    "message.expirySeconds",
  ),
  rangeMutant(
    "a session's end is reckoned by the wrong clock",
    LIFE,
    "inbox.endDueMs = nowMs + expirySeconds * 1000;",
    "inbox.endDueMs = nowMs + expirySeconds;",
  ),
  rangeMutant(
    "a will does not wait for its delay",
    LIFE,
    "nowMs + Math.min(inbox.willDelaySeconds, expirySeconds) * 1000;",
    "nowMs;",
  ),
  rangeMutant("a discarded will is published", LIFE, "if (discardWill)", "if (false)"),
  rangeMutant(
    "what is owed is forgotten at a restart",
    RANGE,
    "state.output.owe(record);",
    "void 0;",
  ),
  rangeMutant(
    "who was attached to a dead process stays attached",
    RANGE,
    "state.output.lost(boot, lastToken, state.buckets.first);",
    "",
  ),
  rangeMutant(
    "attachments of a dead process break those of the next",
    LIFE,
    "inbox.token <= lastToken",
    "true",
  ),
  rangeMutant(
    "a resumed session loses what was in flight",
    OUT,
    "inbox.repeatEndOrder = inbox.lastOrder;",
    "inbox.repeatEndOrder = 0;",
  ),
  rangeMutant(
    "dropped messages are not counted",
    OUT,
    "state.drop(inbox, refusal, inbox.nextSequence, nowMs);",
    "",
  ),
  rangeMutant(
    "a clean start keeps the session",
    LIFE,
    "if (existing !== null && request.cleanStart) {",
    "if (false) {",
  ),
  rangeMutant(
    "what is not stored yet is lost in a cut",
    CUT,
    "right.listed = left.listed.filter(({ id }) => isRight(id));",
    "",
  ),
  rangeMutant(
    "what is owed stays on the left of a cut",
    CUT,
    "left.outbox.moveTo(right.outbox, isRight);",
    "",
  ),
  rangeMutant(
    "what is not stored yet is lost in a merge",
    CUT,
    "left.listed.push(...right.listed);",
    "",
  ),
  rangeMutant(
    "a merge gives numbers out again",
    CUT,
    "left.lastNumber = Math.max(left.lastNumber, right.lastNumber);",
    "",
  ),
  rangeMutant(
    "the left of a cut keeps counting references of the right",
    "inbox/range/shared-cut",
    "stored.references -= count;",
    "",
  ),
  rangeMutant(
    "a merged message counts one side's references only",
    "inbox/range/shared-cut",
    "ours.references += theirs.references;",
    "",
  ),
  rangeMutant(
    "a queue that is read again holds messages that have left it",
    QUEUE,
    "readDelivery(reader, NOT_COUNTED);",
    "store.letGo(readDelivery(reader, store));",
  ),
  rangeMutant(
    "what one range took answers for sessions of a neighbour that joins it",
    TAKEN,
    "return known.scopes.some(({ first, end }) => bucket >= first && bucket < end);",
    "return known.scopes.length > 0;",
  ),
  rangeMutant(
    "who was silent longest depends on when it was read",
    TAKEN,
    "right.#lastChange = this.#lastChange;",
    "",
  ),
  rangeMutant(
    "a repeat of a QoS 2 publish is stored again",
    TAKEN,
    "origin.isRepeat ? publisher.find(origin) : null;",
    "null;",
  ),
];
