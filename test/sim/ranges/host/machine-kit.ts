/**
 * Makes the real state machines of one node, and has what those of one service share there: the
 * retained topics of all ranges stand in one trie.
 */

import type { DistOutput } from "../../../../src/shared/dist/dist-range.ts";
import { DistRange } from "../../../../src/shared/dist/dist-range.ts";
import type { InboxOutput } from "../../../../src/shared/inbox/range/inbox-output.ts";
import { InboxRange } from "../../../../src/shared/inbox/range/inbox-range.ts";
import { COUNTER_COLUMNS } from "../../../../src/shared/metrics/counter-table.ts";
import type { RangeDescriptor } from "../../../../src/shared/range/range-descriptor.ts";
import type { RangeStateMachine } from "../../../../src/shared/range/range-state-machine.ts";
import { ServiceId } from "../../../../src/shared/range/service-id.ts";
import { type RetainOutput, RetainRange } from "../../../../src/shared/retain/retain-range.ts";
import {
  type RetainedEntry,
  RetainedTopics,
} from "../../../../src/shared/retain/retained-topics.ts";
import { RetainedTrie } from "../../../../src/shared/topic/retained-trie.ts";
import type { BoundedReader } from "./bounded-reader.ts";

export interface MachineOutputs {
  readonly inbox: InboxOutput;
  readonly retain: RetainOutput;
  readonly dist: DistOutput;
}

export class MachineKit {
  readonly counters = new Float64Array(COUNTER_COLUMNS);
  readonly topics: RetainedTopics;
  readonly #outputs: MachineOutputs;

  /** `ranges`: the node's retain ranges, at the time of the call. */
  constructor(outputs: MachineOutputs, hotBytes: number, ranges: () => Iterable<RetainRange>) {
    this.#outputs = outputs;
    this.topics = new RetainedTopics({
      trie: new RetainedTrie<RetainedEntry>(),
      counters: this.counters,
      hotBytes,
      readCold: (tenantId, topic, keyNumber) => {
        for (const range of ranges()) {
          if (range.holds(tenantId, topic)) return range.readCold(tenantId, topic, keyNumber);
        }
        return null;
      },
    });
  }

  /** A machine with the state that the store has. */
  open(descriptor: RangeDescriptor, reader: BoundedReader): RangeStateMachine {
    const machine = this.#make(descriptor, reader);
    machine.load();
    return machine;
  }

  #make(descriptor: RangeDescriptor, reader: BoundedReader): InboxRange | RetainRange | DistRange {
    const { inbox, retain, dist } = this.#outputs;
    switch (descriptor.service) {
      case ServiceId.INBOX:
        return new InboxRange(descriptor, reader, { output: inbox, counters: this.counters });
      case ServiceId.RETAIN:
        return new RetainRange(descriptor, { topics: this.topics, reader, output: retain });
      case ServiceId.DIST:
        return new DistRange(descriptor, { reader, output: dist });
    }
  }
}
