/**
 * Any broker that runs already: `--broker host:port`, with `--broker-pid` when it runs on this
 * machine.
 */

import type { Contender } from "./contender.ts";
import { NO_FIGURES } from "./contender.ts";

export function externalBroker(host: string, port: number, pid: number): Contender {
  return {
    name: `${host}:${port}`,
    isSubject: true,
    threads: 1,
    isExternal: true,
    hasHttp: false,
    refusal: () => "",
    start: (transport) =>
      Promise.resolve({
        target: { host: host === "localhost" ? "127.0.0.1" : host, port, pid, transport, ca: "" },
        adminPort: 0,
        storeTotals: null,
        loopDelay: null,
        ownFigures: NO_FIGURES,
        stop: () => Promise.resolve(),
      }),
  };
}
