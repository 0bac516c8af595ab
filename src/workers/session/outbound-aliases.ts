/**
 * Topic aliases that the broker chooses towards one client (MQTT5 §3.3.2.3.4): the first topics it
 * sends, while there is room. They live as long as the connection [MQTT-3.3.2-7] and stay within
 * the client's maximum [MQTT-3.3.2-11].
 *
 * Why first come, first served: an alias that moves between topics costs the topic again with every
 * move, and clients that allow aliases usually see few topics often. Thread: worker. Scope: one per
 * connection that allows aliases.
 */

export class OutboundAliases {
  readonly #limit: number;
  readonly #aliases = new Map<string, number>();
  /** True after `lookup` gave out a new alias: the packet must carry topic and alias. */
  isNew = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The alias to send `topic` with; 0 = send the topic alone. */
  lookup(topic: string): number {
    this.isNew = false;
    const known = this.#aliases.get(topic);
    if (known !== undefined) return known;
    if (this.#aliases.size >= this.#limit) return 0;
    const alias = this.#aliases.size + 1;
    this.#aliases.set(topic, alias);
    this.isNew = true;
    return alias;
  }

  /** The packet that was to introduce the alias did not leave. */
  forget(topic: string): void {
    // Aliases are given out in sequence, so only the newest can be taken back without leaving a
    // hole.
    if (this.#aliases.get(topic) === this.#aliases.size) this.#aliases.delete(topic);
  }
}
