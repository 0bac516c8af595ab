/**
 * Looks at the files that a configuration names before anybody relies on them: a missing
 * certificate or a key that does not belong to it is a line of the configuration to correct, not a
 * listener that fails later.
 */

import { accessSync, constants, readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { CompleteTree } from "./build-config.ts";
import type { ConfigPath, ConfigProblem } from "./problem.ts";
import type { TlsTree } from "./schema.ts";

export function checkFiles(tree: CompleteTree, problems: ConfigProblem[]): void {
  for (const key of ["password_file", "acl_file", "scram_file"] as const) {
    const file = tree.auth[key];
    if (file !== undefined) readable(file, ["auth", key], problems);
  }
  if (tree.tls !== undefined) checkTlsFiles(tree.tls, ["tls"], problems);
  for (const [index, { tls }] of tree.listeners.entries()) {
    // The common block was checked above, where it was written.
    if (tls !== undefined && tls !== tree.tls) {
      checkTlsFiles(tls, ["listeners", index, "tls"], problems);
    }
  }
}

function checkTlsFiles(tls: TlsTree, path: ConfigPath, problems: ConfigProblem[]): void {
  if (tls.ca_file !== undefined) readable(tls.ca_file, [...path, "ca_file"], problems);
  checkPair(tls.cert_file, tls.key_file, path, problems);
  for (const [name, { cert_file, key_file }] of Object.entries(tls.sni)) {
    checkPair(cert_file, key_file, [...path, "sni", name], problems);
  }
}

function checkPair(
  certFile: string,
  keyFile: string,
  path: ConfigPath,
  problems: ConfigProblem[],
): void {
  const hasCertificate = readable(certFile, [...path, "cert_file"], problems);
  const hasKey = readable(keyFile, [...path, "key_file"], problems);
  if (!hasCertificate || !hasKey) return;
  try {
    createSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
  } catch (error) {
    const text = `certificate and key are not a PEM pair: ${(error as Error).message}`;
    problems.push({ path: [...path, "cert_file"], text });
  }
}

function readable(file: string, path: ConfigPath, problems: ConfigProblem[]): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    const reason = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    problems.push({ path, text: `"${file}": ${reason}` });
    return false;
  }
}
