/** A server that a load is run against: a process that can be started anew for every run. */

import { CertificateAuthority } from "../../test/helpers/certs.ts";
import type { LoadTarget, TransportName } from "../load/load-shape.ts";

export interface RunningServer {
  readonly target: LoadTarget;
  /** What its stores have done since it started; null: it does not tell. */
  readonly storeTotals: (() => Promise<StoreTotals>) | null;
  /** Delays of its event loops; null: it does not tell. */
  readonly loopDelay: LoopDelay | null;
  /** Figures that only this server can tell of itself, taken while it runs. */
  readonly ownFigures: () => Promise<Record<string, number>>;
  /** Port of its HTTP server; 0 = it has none. */
  readonly adminPort: number;
  /** What its log has warned of so far, for the story of a run that failed. */
  readonly warnings?: () => readonly string[];
  stop(): Promise<void>;
}

/** Of the interval between the two. */
export interface LoopDelay {
  reset(): void;
  read(): Promise<Record<string, number>>;
}

/** Sums over all stores; times in seconds. */
export interface StoreTotals {
  readonly commits: number;
  readonly entries: number;
  readonly bytes: number;
  readonly commitSeconds: number;
  readonly flushSeconds: number;
}

export interface Contender {
  /** As in tables: "ratatosk --workers 2". */
  readonly name: string;
  /** What the benchmark is about: its faults fail the run. Peers are only beside it. */
  readonly isSubject: boolean;
  /** Threads that carry load: it is saturated when that many cores are busy. */
  readonly threads: number;
  /** It runs already: there is only one of it. */
  readonly isExternal?: boolean;
  /** An admin server with metrics. */
  readonly hasHttp: boolean;
  /** Why this server cannot run such a load, or "". */
  refusal(needs: LoadNeeds): string;
  /** `isStored`: sessions are to be kept on the disk, with room for long queues. */
  start(transport: TransportName, isStored?: boolean): Promise<RunningServer>;
}

/** What a case asks of a server. */
export interface LoadNeeds {
  readonly scenario: string;
  readonly transport: TransportName;
  readonly protocolVersion: 4 | 5;
  /** Sessions are kept on the disk. */
  readonly isStored: boolean;
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
