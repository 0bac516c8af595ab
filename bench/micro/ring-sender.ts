/**
 * Worker of the ring benchmark: sends records of one size to main as fast as the ring takes them.
 */

import { workerData } from "node:worker_threads";
import type { BellPort } from "../../src/shared/protocol/worker-boot.ts";
import { RING_FULL } from "../../src/shared/ring/ring-endpoint.ts";
import { RingPort } from "../../src/shared/ring/ring-port.ts";

export interface SenderBoot {
  readonly inbound: readonly SharedArrayBuffer[];
  readonly outbound: readonly SharedArrayBuffer[];
  readonly bells: readonly (BellPort | null)[];
  readonly recordSize: number;
  /** Records per duty cycle: then flush, and the event loop gets its turn. */
  readonly batchSize: number;
}

export const BENCH_TYPE = 1;

function startSender({ inbound, outbound, bells, recordSize, batchSize }: SenderBoot): void {
  const ringBell = (target: number): void => bells[target]?.postMessage(0);
  const port = new RingPort({ threadIndex: 1, inbound, outbound, ringBell });
  const payload = new Uint8Array(recordSize).fill(1);
  const cycle = (): void => {
    for (let sent = 0; sent < batchSize; sent += 1) {
      const offset = port.tryClaim(0, BENCH_TYPE, recordSize);
      if (offset === RING_FULL) break;
      port.claimBytes.set(payload, offset);
      port.commit();
    }
    port.flush();
    setImmediate(cycle);
  };
  cycle();
}

if (workerData !== null) startSender(workerData as SenderBoot);
