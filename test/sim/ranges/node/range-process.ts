/** What dies with the process of a node. */

import { DistRange } from "../../../../src/shared/dist/dist-range.ts";
import type { RangeId } from "../../../../src/shared/range/range-descriptor.ts";
import type { HostedMachine } from "../host/hosted-machine.ts";
import type { MachineHost } from "../host/machine-host.ts";
import type { OutputTap } from "./output-tap.ts";
import type { RangeSeat } from "./range-seat.ts";

export interface RangeProcess {
  readonly boot: number;
  readonly tap: OutputTap;
  readonly host: MachineHost;
  readonly seats: Map<RangeId, RangeSeat>;
}

/** The machine is used no more, and what the process has learnt from it goes with it. */
export function retireMachine({ tap }: RangeProcess, { machine }: HostedMachine): void {
  if (machine instanceof DistRange) {
    for (const [name, { route }] of tap.index) if (machine.holds(route)) tap.index.delete(name);
  }
  machine.close();
}
