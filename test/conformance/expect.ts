/** Expectations that several conformance files share. */

import assert from "node:assert/strict";
import { until } from "../helpers/deadline.ts";
import * as packets from "../helpers/packets.ts";
import { hex, type PublishPacket, type RawClient, textOf } from "../helpers/raw-client.ts";

export const MALFORMED = 0x81;
export const PROTOCOL_ERROR = 0x82;

/**
 * CONNECT was refused: a CONNACK with one of these codes and session present 0, or nothing, then
 * the close.
 */
export async function expectRefusal(client: RawClient, ...codes: readonly number[]): Promise<void> {
  const packet = await client.next();
  if (packet === null) return;
  if (packet.type !== "connack") assert.fail(`expected CONNACK or close, got ${packet.type}`);
  assert.equal(packet.sessionPresent, false, "session present with a refusal [MQTT-3.2.2-6]");
  const wanted = codes.map(hex).join(" ");
  assert.ok(codes.includes(packet.reasonCode), `${hex(packet.reasonCode)}, not one of ${wanted}`);
  await client.expectClose();
}

/** Takes `count` PUBLISH packets. */
export async function takePublishes(client: RawClient, count: number): Promise<PublishPacket[]> {
  const taken: PublishPacket[] = [];
  while (taken.length < count) taken.push(await client.expect("publish"));
  return taken;
}

export function payloads(messages: readonly PublishPacket[]): string[] {
  return messages.map((message) => textOf(message.payload));
}

/**
 * Nothing but what `publisher` sends now on `topic` reaches `subscriber`: the proof of absence.
 * `subscriber` must have subscribed to `topic`; a message that was to come before this one would
 * have come before it.
 */
export async function expectNothingBefore(
  subscriber: RawClient,
  publisher: RawClient,
  topic: string,
): Promise<void> {
  publisher.send(packets.publish({ level: publisher.level, topic, payload: "barrier" }));
  const message = await subscriber.expect("publish");
  assert.equal(textOf(message.payload), "barrier", `came before the barrier: ${message.topic}`);
}

/**
 * Takes what several subscribers receive until they have `total` messages together, and no more on
 * the way as far as a PINGREQ tells; the payloads by subscriber.
 */
export async function takeTogether(
  subscribers: readonly RawClient[],
  total: number,
): Promise<string[][]> {
  const taken = subscribers.map((): string[] => []);
  const takeAll = () => {
    let count = 0;
    for (const [index, subscriber] of subscribers.entries()) {
      for (const packet of subscriber.takeReceived()) {
        if (packet.type === "publish") taken[index]?.push(textOf(packet.payload));
      }
      count += taken[index]?.length ?? 0;
    }
    return count;
  };
  await until(() => takeAll() >= total, `${total} messages at all subscribers together`);
  for (const subscriber of subscribers) await subscriber.expectQuiet();
  assert.equal(takeAll(), total);
  return taken;
}
