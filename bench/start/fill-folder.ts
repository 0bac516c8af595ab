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
  /** Each waits for one session; else each of them for all, and is stored once. */
  readonly isEachOwn: boolean;
}

/** Sessions that messages wait for. */
export const QUEUES = 1000;
/** Told how far it is, now and then. */
export type FillProgress = (what: string, done: number, total: number) => void;

/** Clients under way at once: each takes three commits. */
const CLIENT_WINDOW = 2000;
const PUBLISHERS = 8;
/** Below what the broker takes from one client. */
const PUBLISH_WINDOW = 1000;
/** Publishes that leave together. */
const GATHERED = 100;
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
  const { sessions, retained, queued, isEachOwn } = content;
  const queues = queued === 0 ? 0 : Math.min(QUEUES, sessions);
  await addSessions(target, sessions, queues, progress);
  await publishAll(target, retained, progress, (index) => {
    const topic = `start/r/${Math.floor(index / TOPICS_PER_LEVEL)}/${index % TOPICS_PER_LEVEL}`;
    return { topic, isRetained: true };
  });
  if (queues === 0) return;
  if (isEachOwn) {
    const topicOf = (index: number) => `start/own/${index % queues}/q`;
    await publishAll(target, queued, progress, (index) => {
      return { topic: topicOf(index), isRetained: false };
    });
    return;
  }
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
    progress("sessions", ready, sessions);
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
  publishOf: (index: number) => Publish,
): Promise<void> {
  let acknowledged = 0;
  const takeOne = () => {
    acknowledged += 1;
    if (acknowledged % PROGRESS_STEP === 0) progress("messages", acknowledged, count);
  };
  const publishers = Array.from({ length: PUBLISHERS }, (_none, turn) => {
    return new FillPublisher(target, `start-publisher-${turn}`, takeOne);
  });
  await Promise.all(
    publishers.map((publisher, turn) => publisher.publish(turn, PUBLISHERS, count, publishOf)),
  );
}

interface Publish {
  readonly topic: string;
  readonly isRetained: boolean;
}

/** Publishes every so many of the messages, PUBLISH_WINDOW of them in flight. */
class FillPublisher {
  readonly #client: PlainClient;
  readonly #payload = blankPayload(PAYLOAD_BYTES);
  #sent = 0;
  #acknowledged = 0;

  constructor(target: LoadTarget, clientId: string, onAcknowledged: () => void) {
    this.#client = new PlainClient({ target, clientId, protocolVersion: 4 });
    this.#client.onAcknowledged = () => {
      this.#acknowledged += 1;
      onAcknowledged();
    };
  }

  /** Messages `first`, `first + step`, ... below `count`. */
  async publish(
    first: number,
    step: number,
    count: number,
    publishOf: (index: number) => Publish,
  ): Promise<void> {
    const { accepted, connection } = this.#client;
    await accepted;
    for (let index = first; index < count; index += step) {
      this.#gather(index, publishOf(index));
      if (this.#sent % GATHERED === 0) connection.flush();
      if (this.#sent - this.#acknowledged >= PUBLISH_WINDOW) {
        connection.flush();
        await this.#untilAcknowledged(this.#sent - PUBLISH_WINDOW / 2);
      }
    }
    connection.flush();
    await this.#untilAcknowledged(this.#sent);
    this.#client.leave();
    await connection.ended;
  }

  #gather(index: number, { topic, isRetained }: Publish): void {
    const options = { qos: 1, protocolVersion: 4, isRetained } as const;
    const { bytes, packetIdOffset, payloadOffset } = publishTemplate(topic, this.#payload, options);
    bytes.writeUInt16BE((this.#sent % PACKET_IDS) + 1, packetIdOffset);
    const header = { publisher: 0, sequence: index, sentMicros: 0 };
    writePayloadHeader(bytes, payloadOffset, header, this.#payload.length);
    this.#client.connection.gather(bytes);
    this.#sent += 1;
  }

  async #untilAcknowledged(count: number): Promise<void> {
    const isDone = () => this.#acknowledged >= count;
    await untilDone(isDone, () => this.#acknowledged, STALL_MS, "publishing");
  }
}
