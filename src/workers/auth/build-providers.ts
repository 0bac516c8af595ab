/**
 * From configuration to providers, in the order in which they are asked: credentials first, then
 * anybody, then the rules. Composition only; everything that can be wrong with a file is said by
 * its own reader. Thread: worker.
 */

import type { AuthConfig } from "../../shared/config/config.ts";
import { AclFileProvider } from "./acl-file-provider.ts";
import { AnonymousProvider } from "./anonymous-provider.ts";
import type { AuthProvider } from "./auth-provider.ts";
import type { PasswordVerifier } from "./cpu-client.ts";
import type { FailureLimiter } from "./failure-limiter.ts";
import { PasswordFileProvider } from "./password-file-provider.ts";
import { randomScramNonce, ScramProvider } from "./scram-provider.ts";

export interface ProviderParts {
  readonly verifyPassword: PasswordVerifier;
  readonly failures: FailureLimiter;
  readonly nowMs: () => number;
}

/** Throws AuthFileError when a configured file cannot be used. */
export function buildProviders(config: AuthConfig, parts: ProviderParts): AuthProvider[] {
  const { allowAnonymous, passwordFile, aclFile, scramFile, defaultTenant } = config;
  const providers: AuthProvider[] = [];
  if (scramFile !== null) {
    const createNonce = randomScramNonce;
    providers.push(new ScramProvider({ file: scramFile, defaultTenant, createNonce, ...parts }));
  }
  if (passwordFile !== null) {
    providers.push(new PasswordFileProvider({ file: passwordFile, defaultTenant, ...parts }));
  }
  if (allowAnonymous !== "none") {
    const hasCredentials = providers.length > 0;
    providers.push(new AnonymousProvider(allowAnonymous, defaultTenant, !hasCredentials));
  }
  if (aclFile !== null) providers.push(new AclFileProvider(aclFile, defaultTenant));
  return providers;
}
