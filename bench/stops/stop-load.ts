/**
 * Clients that keep a broker's disk busy until it stops: publishers at QoS 1 and 2, some of it
 * retained, to stored sessions of which half are connected and half are not.
 */

import mqtt, { type MqttClient } from "mqtt";

const PAIRS = 8;
/** Publishes that each client has in flight. */
const IN_FLIGHT = 20;
const PAYLOAD = Buffer.alloc(256, "x");
/** Every so many publishes are retained. */
const RETAINED_EVERY = 8;

export class StopLoad {
  /** Publishes that the broker has acknowledged. */
  acknowledged = 0;
  readonly #port: number;
  readonly #clients: MqttClient[] = [];
  #count = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async start(): Promise<void> {
    for (let pair = 0; pair < PAIRS; pair++) {
      const subscriber = await this.#connect(`subscriber-${pair}`);
      await subscriber.subscribeAsync(`stops/${pair}/#`, { qos: 2 });
      if (pair % 2 === 0) await subscriber.endAsync(true);
    }
    for (let pair = 0; pair < PAIRS; pair++) {
      const publisher = await this.#connect(`publisher-${pair}`);
      for (let started = 0; started < IN_FLIGHT; started++) this.#publish(publisher, pair);
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.endAsync(true)));
  }

  #publish(publisher: MqttClient, pair: number): void {
    this.#count += 1;
    const retain = this.#count % RETAINED_EVERY === 0;
    const topic = `stops/${pair}/${this.#count % 100}`;
    const qos = this.#count % 2 === 0 ? 1 : 2;
    publisher.publish(topic, PAYLOAD, { qos, retain }, (error) => {
      // The connection is over: the broker stops.
      if (error) return;
      this.acknowledged += 1;
      this.#publish(publisher, pair);
    });
  }

  async #connect(clientId: string): Promise<MqttClient> {
    const options = { clientId, clean: false, reconnectPeriod: 0, connectTimeout: 120_000 };
    const client = mqtt.connect(`mqtt://127.0.0.1:${this.#port}`, options);
    this.#clients.push(client);
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.once("error", reject);
    });
    // What is under way when the broker stops fails.
    client.on("error", () => {});
    return client;
  }
}
