/**
 * Stands in for the state machine of a service that does not keep its state in ranges yet: its
 * ranges exist and can be listed, and hold nothing. Thread: worker.
 */

import type { RecordReader } from "../../shared/bytes/record-reader.ts";
import type { RangeStateMachine } from "../../shared/range/range-state-machine.ts";
import type { RangeService } from "./range-host-api.ts";

class EmptyMachine implements RangeStateMachine {
  readonly isDirty = false;
  readonly keyCount = 0;
  readonly memoryBytes = 0;

  apply(commands: RecordReader): void {
    while (!commands.isAtEnd) commands.u8();
  }

  collect(): void {}

  collected(): void {}

  goLive(): void {}

  splitOff(): RangeStateMachine {
    return new EmptyMachine();
  }

  absorb(): void {}

  middleKey(): Uint8Array | null {
    return null;
  }

  close(): void {}
}

export const EMPTY_SERVICE: RangeService = { open: () => new EmptyMachine() };
