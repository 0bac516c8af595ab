/**
 * Two well-behaved clients that talk to each other while others misbehave: every message must
 * arrive, once and in order, at every QoS. On whichever workers the kernel put them.
 */

import assert from "node:assert/strict";
import * as packets from "../../test/helpers/packets.ts";
import { RawClient } from "../../test/helpers/raw-client.ts";

/** Long: the machine is busy with fuzzing. What is measured is loss, not delay. */
const WAIT_MS = 10_000;

export class Witness {
  exchanged = 0;
  readonly #speaker: RawClient;
  readonly #listener: RawClient;
  readonly #topic: string;

  private constructor(speaker: RawClient, listener: RawClient, topic: string) {
    this.#speaker = speaker;
    this.#listener = listener;
    this.#topic = topic;
  }

  static async connect(port: number, name: string): Promise<Witness> {
    const target = { port };
    const speaker = await RawClient.connect(target, { clientId: `${name}-speaker`, keepAlive: 0 });
    const listener = await RawClient.connect(target, {
      clientId: `${name}-listener`,
      keepAlive: 0,
    });
    speaker.autoRelease = true;
    const topic = `${name}/only/witnesses/know/this`;
    await listener.subscribe(topic, 2);
    return new Witness(speaker, listener, topic);
  }

  /** Sends one message at each QoS and waits for all three. */
  async exchange(): Promise<void> {
    for (const qos of [0, 1, 2]) {
      const payload = `${this.exchanged} ${qos}`;
      const packetId = this.#speaker.packetId();
      this.#speaker.send(packets.publish({ topic: this.#topic, qos, packetId, payload }));
    }
    const first = await this.#speaker.expect("puback", WAIT_MS);
    const last = await this.#speaker.expect("pubcomp", WAIT_MS);
    assert.ok(first.reasonCode < 0x80 && last.reasonCode < 0x80);
    for (const qos of [0, 1, 2]) {
      await this.#listener.expectPublish(`${this.exchanged} ${qos}`, WAIT_MS);
    }
    this.exchanged += 1;
  }

  destroy(): void {
    this.#speaker.destroy();
    this.#listener.destroy();
  }
}
