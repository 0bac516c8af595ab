/**
 * Certificates of a TLS listener: read from disk, checked, and chosen by the name that the client
 * asks for (SNI).
 *
 * Everything is read before anything is used: a reload with one broken file leaves the old
 * certificates in place. Thread: worker.
 */

import { readFileSync } from "node:fs";
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import type { TlsConfig } from "../../shared/config/config.ts";
import type { Transport } from "./transport.ts";

/** Older versions are broken (RFC 8996). */
const MINIMUM_VERSION = "TLSv1.2";

/**
 * Options for `tls.createServer` and `https.createServer`. Throws an Error that names the file and
 * what is wrong.
 */
export function loadTlsOptions(config: TlsConfig, protocols: readonly string[]): TlsOptions {
  // Without a bundle Node would accept a certificate of any public authority as a client.
  if (config.clientCertificate !== "none" && config.caFile === null) {
    throw new Error("tls.caFile: needed to verify client certificates");
  }
  const ca = config.caFile === null ? undefined : readPem(config.caFile, "caFile");
  const common: SecureContextOptions = {
    minVersion: MINIMUM_VERSION,
    honorCipherOrder: true,
    ...(ca === undefined ? {} : { ca }),
  };
  const main = readKeyPair(config.certFile, config.keyFile);
  // Built here only to find a key that does not belong to its certificate before anything changes.
  secureContext({ ...common, ...main }, config.certFile);
  const contexts = new Map<string, SecureContext>();
  for (const [name, files] of Object.entries(config.sni)) {
    const pair = readKeyPair(files.certFile, files.keyFile);
    contexts.set(name.toLowerCase(), secureContext({ ...common, ...pair }, files.certFile));
  }
  return {
    ...common,
    ...main,
    ALPNProtocols: [...protocols],
    requestCert: config.clientCertificate !== "none",
    // "optional": who sends none passes, who sends a bad one does not; see `verifiedCertificate`.
    rejectUnauthorized: config.clientCertificate === "required",
    SNICallback: (name, done) => done(null, contextFor(contexts, name)),
  };
}

/**
 * The context for a server name: the name itself, then a wildcard for its first label, else the
 * listener's own.
 */
function contextFor(
  contexts: ReadonlyMap<string, SecureContext>,
  serverName: string,
): SecureContext | undefined {
  const name = serverName.toLowerCase();
  const exact = contexts.get(name);
  if (exact !== undefined) return exact;
  const dot = name.indexOf(".");
  return dot < 0 ? undefined : contexts.get(`*${name.slice(dot)}`);
}

/**
 * The client's certificate; null when it sent none, "rejected" when it sent one that does not
 * verify.
 */
export function verifiedCertificate(socket: TLSSocket): Transport["certificate"] | "rejected" {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  if (!socket.authorized) return "rejected";
  const name: string | string[] | undefined = socket.getPeerCertificate().subject?.CN;
  const commonName = Array.isArray(name) ? (name[0] ?? "") : (name ?? "");
  // Node writes one attribute per line, most significant first.
  return { commonName, subject: certificate.subject.split("\n").join(",") };
}

function readKeyPair(certFile: string, keyFile: string): { cert: Buffer; key: Buffer } {
  return { cert: readPem(certFile, "certFile"), key: readPem(keyFile, "keyFile") };
}

function readPem(path: string, field: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Error(`tls.${field}: cannot read ${path}`, { cause });
  }
}

function secureContext(options: SecureContextOptions, certFile: string): SecureContext {
  try {
    return createSecureContext(options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`tls: ${certFile} and its key cannot be used: ${reason}`, { cause });
  }
}
