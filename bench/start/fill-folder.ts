/**
 * Fills a data folder through a broker, as clients would: stored sessions with subscriptions,
 * retained messages, messages that wait for sessions.
 */

import { publishTemplate } from "../load/client-codec.ts";
import { untilDone } from "../load/generator-run.ts";
import type { LoadTarget } from "../load/load-shape.ts";
import { blankPayload, writePayloadHeader } from "../load/payload.ts";
import { PlainClient } from "../load/plain-client.ts";
import type { HeardRoute } from "../load/routes.ts";
import { StoredInbox } from "../load/stored-inbox.ts";

export interface FolderContent {
  readonly sessions: number;
  readonly retained: number;
  /** Messages that wait, in the queues of `QUEUES` of the sessions; 0 = none. */
  readonly queued: number;
}

/** Sessions that messages wait for. */
export const QUEUES = 1000;
/** Told how far it is, now and then. */
export type FillProgress = (what: string, done: number, total: number) => void;

/** Clients under way at once. */
const CLIENT_WINDOW = 400;
const PUBLISH_WINDOW = 500;
const PAYLOAD_BYTES = 64;
const PACKET_IDS = 65_535;
const STALL_MS = 30_000;
/** A folder of retained topics holds so many. */
const TOPICS_PER_LEVEL = 1000;
const PROGRESS_STEP = 10_000;
const COMMON_FILTER = "start/all";

export async function fillFolder(
  target: LoadTarget,
  content: FolderContent,
  progress: FillProgress,
): Promise<void> {
  const { sessions, retained, queued } = content;
  const queues = queued === 0 ? 0 : Math.min(QUEUES, sessions);
  await addSessions(target, sessions, queues, progress);
  await publishAll(target, retained, progress, (index) => {
    const topic = `start/r/${Math.floor(index / TOPICS_PER_LEVEL)}/${index % TOPICS_PER_LEVEL}`;
    return { topic, isRetained: true };
  });
  if (queues === 0) return;
  const copies = Math.ceil(queued / queues);
  await publishAll(target, copies, progress, () => ({ topic: COMMON_FILTER, isRetained: false }));
}

/** The first `queues` of them subscribe to what is queued as well. */
async function addSessions(
  target: LoadTarget,
  sessions: number,
  queues: number,
  progress: FillProgress,
): Promise<void> {
  let ready = 0;
  let fault = "";
  const isDone = (count: number) => () => {
    if (fault !== "") throw new Error(fault);
    return ready >= count;
  };
  for (let index = 0; index < sessions; index += 1) {
    const inbox = new StoredInbox(
      {
        target,
        clientId: `start-${index}`,
        heard: heardBy(index, queues),
        qos: 1,
        payloadBytes: PAYLOAD_BYTES,
        protocolVersion: 4,
        onReady: () => {
          ready += 1;
        },
        onFault: (text) => {
          fault = text;
        },
      },
      NOBODY,
    );
    inbox.subscribe();
    if (index - ready < CLIENT_WINDOW) continue;
    await untilDone(isDone(index - CLIENT_WINDOW / 2), () => ready, STALL_MS, "adding sessions");
    if (index % PROGRESS_STEP < CLIENT_WINDOW / 2) progress("sessions", ready, sessions);
  }
  await untilDone(isDone(sessions), () => ready, STALL_MS, "adding sessions");
}

function heardBy(index: number, queues: number): HeardRoute {
  const own = [`start/own/${index}/+`, `start/group/${index % QUEUES}/#`];
  return {
    filters: index < queues ? [...own, COMMON_FILTER] : own,
    firstPublisher: 0,
    publisherStep: 1,
    publisherSlots: 0,
    stride: 1,
    firstSequence: () => 0,
  };
}

/** Sessions leave before anything is published. */
const NOBODY = {
  takeDelivery: () => {},
  takeRepeat: () => {},
  takeDisorder: () => {},
  takeCorrupt: () => {},
};

async function publishAll(
  target: LoadTarget,
  count: number,
  progress: FillProgress,
  publishOf: (index: number) => { topic: string; isRetained: boolean },
): Promise<void> {
  const client = new PlainClient({ target, clientId: "start-publisher", protocolVersion: 4 });
  let acknowledged = 0;
  client.onAcknowledged = () => {
    acknowledged += 1;
  };
  await client.accepted;
  const payload = blankPayload(PAYLOAD_BYTES);
  for (let index = 0; index < count; index += 1) {
    const { topic, isRetained } = publishOf(index);
    const template = publishTemplate(topic, payload, { qos: 1, protocolVersion: 4, isRetained });
    template.bytes.writeUInt16BE((index % PACKET_IDS) + 1, template.packetIdOffset);
    const header = { publisher: 0, sequence: index, sentMicros: 0 };
    writePayloadHeader(template.bytes, template.payloadOffset, header, payload.length);
    client.connection.gather(template.bytes);
    if (index % (PUBLISH_WINDOW / 4) === 0) client.connection.flush();
    if (index - acknowledged < PUBLISH_WINDOW) continue;
    const half = index - PUBLISH_WINDOW / 2;
    client.connection.flush();
    await untilDone(
      () => acknowledged >= half,
      () => acknowledged,
      STALL_MS,
      "publishing",
    );
    if (index % PROGRESS_STEP < PUBLISH_WINDOW / 2) progress("messages", acknowledged, count);
  }
  client.connection.flush();
  await untilDone(
    () => acknowledged >= count,
    () => acknowledged,
    STALL_MS,
    "publishing",
  );
  client.leave();
  await client.connection.ended;
}
