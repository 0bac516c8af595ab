/** Broken promises that a crash run has found; each with the message that it is about, if any. */

import type { EventTrace, MessageKey } from "./event-trace.ts";

export interface Finding {
  readonly rule: Rule;
  readonly text: string;
  readonly key: MessageKey | null;
  /** Whose notes belong to its timeline. */
  readonly names: readonly string[];
}

/** What a crash run holds the broker to. */
export const RULES = {
  lost: "an acknowledged message reaches every subscription that was there before it",
  twice: "a QoS 2 message is delivered once [MQTT-4.3.3-10]",
  repeated: "what was published once is delivered again only with DUP, under its identifier",
  disorder: "messages of one publisher and topic keep their order [MQTT-4.6.0-5]",
  stranger: "a message is delivered for a subscription, unchanged, at the right QoS",
  resume: "unfinished exchanges go on under their identifiers after a reconnect [MQTT-4.4.0-1]",
  identifier: "an identifier in use is not given to another message [MQTT-2.2.1-4]",
  window: "no more publishes are in flight than the client takes [MQTT-3.3.4-9]",
  acknowledgement: "acknowledgements are for what was sent, in its order [MQTT-4.6.0-2]",
  session: "session present says whether there is stored state [MQTT-3.2.2-3]",
  retained: "the retained message is the last acknowledged one, or a later one",
  will: "a will is published when, and only when, it is due [MQTT-3.1.2-8]",
  process: "the broker ends when it is told to, and only then",
  progress: "clients get on when the broker is up",
} as const;
export type Rule = keyof typeof RULES;

/** Of each rule; more of them say nothing new. */
const KEPT = 12;
const TIMELINES = 3;

export class Findings {
  readonly list: Finding[] = [];
  /** By rule: how often it was broken. */
  readonly #counts = new Map<Rule, number>();

  get count(): number {
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    return sum;
  }

  add(
    rule: Rule,
    text: string,
    key: MessageKey | null = null,
    names: readonly string[] = [],
  ): void {
    const count = (this.#counts.get(rule) ?? 0) + 1;
    this.#counts.set(rule, count);
    if (count <= KEPT) this.list.push({ rule, text, key, names });
  }

  report(trace: EventTrace): string {
    const lines: string[] = [];
    for (const [rule, count] of this.#counts) {
      lines.push(`${rule}, ${count} times broken: ${RULES[rule]}`);
      const kept = this.list.filter((finding) => finding.rule === rule);
      for (const [at, { text, key, names }] of kept.entries()) {
        lines.push(`  ${text}`);
        if (key === null || at >= TIMELINES) continue;
        for (const line of trace.timeline(key, names)) lines.push(`    ${line}`);
      }
    }
    return lines.join("\n");
  }
}
