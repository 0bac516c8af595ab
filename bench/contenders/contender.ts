/** A server that a load is run against: a process that can be started anew for every run. */

import { CertificateAuthority } from "../../test/helpers/certs.ts";
import type { LoadTarget, TransportName } from "../load/load-shape.ts";

export interface RunningServer {
  readonly target: LoadTarget;
  /** Figures that only this server can tell of itself, taken while it runs. */
  readonly ownFigures: () => Promise<Record<string, number>>;
  /** Port of its HTTP server; 0 = it has none. */
  readonly adminPort: number;
  stop(): Promise<void>;
}

export interface Contender {
  /** As in tables: "ratatosk --workers 2". */
  readonly name: string;
  /** What the benchmark is about: its faults fail the run. Peers are only beside it. */
  readonly isSubject: boolean;
  /** Threads that carry load: it is saturated when that many cores are busy. */
  readonly threads: number;
  /** An admin server with metrics. */
  readonly hasHttp: boolean;
  /** Why this server cannot run such a load, or "". */
  refusal(needs: LoadNeeds): string;
  start(transport: TransportName): Promise<RunningServer>;
}

/** What a case asks of a server. */
export interface LoadNeeds {
  readonly scenario: string;
  readonly transport: TransportName;
  readonly protocolVersion: 4 | 5;
}

export const NO_FIGURES = () => Promise.resolve({});

/** Certificates of this benchmark process: made once, trusted by its generators only. */
class BenchCertificates {
  readonly #authority = new CertificateAuthority("Ratatosk benchmark authority");
  readonly ca = this.#authority.cert;
  readonly server = this.#authority.issue({
    commonName: "localhost",
    altNames: ["localhost", "127.0.0.1"],
  });
}

let certificates: BenchCertificates | null = null;

export function benchCertificates(): BenchCertificates {
  certificates ??= new BenchCertificates();
  return certificates;
}

/** The address of a server started here. */
export function loopbackTarget(port: number, pid: number, transport: TransportName): LoadTarget {
  const ca = transport === "tls" ? benchCertificates().ca : "";
  return { host: "127.0.0.1", port, pid, transport, ca };
}
