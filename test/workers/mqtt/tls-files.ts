/** Certificates of a TLS test, written to a folder that lives as long as the test. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { TlsConfig } from "../../../src/shared/config/config.ts";
import { CertificateAuthority, type IssuedCertificate } from "../../helpers/certs.ts";

export class TlsFiles {
  readonly authority = new CertificateAuthority();
  readonly #folder: string;

  constructor(t: TestContext) {
    this.#folder = mkdtempSync(join(tmpdir(), "ratatosk-tls-"));
    t.after(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** Issues a server certificate for `name` and writes it as `<label>.crt` and `<label>.key`. */
  server(label: string, name: string): { certFile: string; keyFile: string } {
    const issued = this.authority.issue({ commonName: name, altNames: [name], usage: "server" });
    const certFile = this.write(`${label}.crt`, issued.cert);
    const keyFile = this.write(`${label}.key`, issued.key);
    return { certFile, keyFile };
  }

  client(commonName: string): IssuedCertificate {
    return this.authority.issue({ commonName, usage: "client" });
  }

  write(name: string, content: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, content);
    return path;
  }

  config(overrides: Partial<TlsConfig> = {}): TlsConfig {
    return {
      ...this.server("main", "broker.test"),
      caFile: this.write("ca.crt", this.authority.cert),
      clientCertificate: "none",
      sni: {},
      ...overrides,
    };
  }
}
