/**
 * The providers of a worker in a row, asked one after the other until one has an opinion. This is
 * the only place that decides what silence, lateness and failure of a provider mean: no.
 *
 *   authenticate   first answer other than "next"; nobody: refused
 *   authorize      first "allow" or "deny"; nobody: allowed, unless somebody in the chain makes rules
 *   a failure      refused; permission checks of a tenant with ByPassPermCheckError are granted instead
 *
 * Answers that are there at once stay synchronous, so that checking a publish costs no promise.
 * Thread: worker. Scope: one per worker.
 */

import type { AuthConfig } from "../../shared/config/config.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { BAD_CREDENTIALS, reject } from "./auth-outcome.ts";
import type {
  AuthAction,
  AuthOutcome,
  AuthProvider,
  AuthRequest,
  ClientIdentity,
  ExtendedAuthStep,
  Verdict,
} from "./auth-provider.ts";
import { buildProviders } from "./build-providers.ts";
import type { PasswordVerifier } from "./cpu-client.ts";
import { FailureLimiter } from "./failure-limiter.ts";
import { withTimeLimit } from "./time-limit.ts";

export interface AuthChainDeps {
  readonly verifyPassword: PasswordVerifier;
  /** Milliseconds of any clock that does not run backwards. */
  readonly nowMs: () => number;
  /** The tenant's ByPassPermCheckError. */
  readonly bypassesPermissionErrors: (tenantId: string) => boolean;
  /** A provider threw, rejected, was late, or gave no valid answer; for the log. */
  readonly onFault: (providerName: string, error: unknown) => void;
  /** Asked before the built-in ones; reloaded, but never closed or rebuilt, by the chain. */
  readonly extraProviders?: readonly AuthProvider[];
}

/** What is decided in the end: some provider's answer, or a refusal because nobody had one. */
export type AuthDecision = Exclude<AuthOutcome, { kind: "next" }>;

export interface AuthChain {
  /** Grows with each reload; verdicts of an older generation are void. */
  readonly generation: number;
  /** Grows with each failed permission check: its verdict must not be remembered. */
  readonly faultCount: number;
  /** True when no provider restricts anything: `authorize` is true for every question. */
  readonly allowsEverything: boolean;
  /** Extended authentication methods on offer. */
  readonly methods: readonly string[];
  /**
   * Called after a successful reload: live subscriptions and wills may have lost their permission.
   */
  onReload: (() => void) | null;

  /** Never rejects. */
  authenticate(request: AuthRequest): Promise<AuthDecision>;
  /**
   * One step of an extended authentication. `current`: who the client is now, for a
   * re-authentication. Never rejects.
   */
  authenticateExtended(
    request: AuthRequest,
    step: ExtendedAuthStep,
    current: ClientIdentity | null,
  ): Promise<AuthDecision>;
  /**
   * `topic` as for AuthProvider.authorize. A promise only when a provider needs time; never
   * rejects.
   */
  authorize(
    identity: ClientIdentity,
    action: AuthAction,
    topic: string,
    qos: number,
    retain: boolean,
  ): boolean | Promise<boolean>;
  /**
   * Takes configuration and files into use, all or nothing; rejects with a text for the operator.
   */
  reload(config: AuthConfig): Promise<void>;
  close(): void;
}

/** Throws AuthFileError when a configured file cannot be used. */
export function createAuthChain(config: AuthConfig, deps: AuthChainDeps): AuthChain {
  return new ProviderChain(config, deps);
}

/** One permission question, kept together on its way through asynchronous providers. */
interface Question {
  readonly identity: ClientIdentity;
  readonly action: AuthAction;
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
}

/** A provider may be plain JavaScript: what it says is checked. */
const OUTCOME_KINDS: ReadonlySet<string> = new Set(["success", "continue", "next", "reject"]);

class ProviderChain implements AuthChain {
  readonly #deps: AuthChainDeps;
  readonly #failures = new FailureLimiter();
  #config: AuthConfig;
  #builtIn: readonly AuthProvider[];
  #providers: readonly AuthProvider[];
  #hasAcl: boolean;
  /** The reload under way; the next one waits for it. */
  #reloading: Promise<void> = Promise.resolve();
  allowsEverything: boolean;
  generation = 1;
  faultCount = 0;
  onReload: (() => void) | null = null;

  constructor(config: AuthConfig, deps: AuthChainDeps) {
    this.#deps = deps;
    this.#config = config;
    this.#builtIn = buildProviders(config, { ...deps, failures: this.#failures });
    this.#providers = [...(deps.extraProviders ?? []), ...this.#builtIn];
    this.#hasAcl = config.aclFile !== null;
    this.allowsEverything = !this.#hasAcl && this.#providers.length === this.#builtIn.length;
  }

  get methods(): readonly string[] {
    return this.#providers.flatMap((provider) => provider.methods);
  }

  async authenticate(request: AuthRequest): Promise<AuthDecision> {
    const generation = this.generation;
    const decision = await this.#askAll(request);
    // Files may have changed while a password was hashed: what counts is what they say now.
    return generation === this.generation ? decision : this.authenticate(request);
  }

  async authenticateExtended(
    request: AuthRequest,
    step: ExtendedAuthStep,
    current: ClientIdentity | null,
  ): Promise<AuthDecision> {
    for (const provider of this.#providers) {
      if (!provider.methods.includes(step.method)) continue;
      const ask = () => provider.authenticateExtended(request, step);
      const outcome = await this.#askOutcome(provider, ask);
      if (outcome === null) return unavailable(step.isReAuthentication);
      if (outcome.kind === "next") continue;
      return step.isReAuthentication ? boundTo(current, outcome) : outcome;
    }
    if (this.methods.includes(step.method)) {
      return rejection(ReasonCode.NOT_AUTHORIZED, "no provider accepts this client");
    }
    return rejection(ReasonCode.BAD_AUTHENTICATION_METHOD, "unknown authentication method"); // [MQTT-4.12.0-1]
  }

  authorize(
    identity: ClientIdentity,
    action: AuthAction,
    topic: string,
    qos: number,
    retain: boolean,
  ): boolean | Promise<boolean> {
    if (this.allowsEverything) return true;
    return this.#authorizeFrom(0, { identity, action, topic, qos, retain });
  }

  reload(config: AuthConfig): Promise<void> {
    const reloading = this.#reloading.then(() => this.#reload(config));
    this.#reloading = reloading.catch(() => {
      // Whoever asked for that reload got its error; it must not keep later ones from running.
    });
    return reloading;
  }

  close(): void {
    for (const provider of this.#builtIn) provider.close();
  }

  async #askAll(request: AuthRequest): Promise<AuthDecision> {
    for (const provider of this.#providers) {
      const outcome = await this.#askOutcome(provider, () => provider.authenticate(request));
      if (outcome === null) return unavailable(false);
      if (outcome.kind === "continue") {
        // Only extended authentication has further steps; a client without it could not answer
        // [MQTT-4.12.0-6].
        this.#reportFault(provider, new Error('"continue" without an authentication method'));
        return unavailable(false);
      }
      if (outcome.kind !== "next") return outcome;
    }
    return nobodyKnows(request);
  }

  /** Builds the new providers beside the old ones: until all of them stand, nothing has changed. */
  async #reload(config: AuthConfig): Promise<void> {
    const builtIn = buildProviders(config, { ...this.#deps, failures: this.#failures });
    const extra = this.#deps.extraProviders ?? [];
    for (const provider of extra) await provider.reload();
    const replaced = this.#builtIn;
    this.#builtIn = builtIn;
    this.#providers = [...extra, ...builtIn];
    this.#hasAcl = config.aclFile !== null;
    this.allowsEverything = !this.#hasAcl && extra.length === 0;
    this.#config = config;
    this.generation++;
    for (const provider of replaced) provider.close();
    this.onReload?.();
  }

  /** Null: the provider failed, and that was reported. */
  async #askOutcome(
    provider: AuthProvider,
    ask: () => AuthOutcome | Promise<AuthOutcome>,
  ): Promise<AuthOutcome | null> {
    try {
      const answer = ask();
      const outcome =
        "kind" in answer ? answer : await withTimeLimit(answer, this.#config.timeoutMs);
      if (OUTCOME_KINDS.has(outcome.kind)) return outcome;
      throw new Error(`no outcome: ${String(outcome.kind)}`);
    } catch (error) {
      this.#reportFault(provider, error);
      return null;
    }
  }

  /** Asks from provider `index` on; turns asynchronous at the first one that does. */
  #authorizeFrom(index: number, question: Question): boolean | Promise<boolean> {
    const { identity, action, topic, qos, retain } = question;
    for (let at = index; at < this.#providers.length; at++) {
      const provider = this.#providers[at];
      if (provider === undefined) break;
      try {
        const verdict = provider.authorize(identity, action, topic, qos, retain);
        if (typeof verdict === "object") return this.#authorizeLater(at, verdict, question);
        if (verdict === "allow") return true;
        if (verdict !== "next") return this.#refused(provider, verdict, identity);
      } catch (error) {
        return this.#faulted(provider, error, identity);
      }
    }
    return !this.#hasAcl;
  }

  async #authorizeLater(
    index: number,
    pending: Promise<Verdict>,
    question: Question,
  ): Promise<boolean> {
    const provider = this.#providers[index] as AuthProvider;
    const generation = this.generation;
    try {
      const verdict = await withTimeLimit(pending, this.#config.timeoutMs);
      // The row of providers may be another one now: ask all of it again.
      if (generation !== this.generation) return await this.#authorizeFrom(0, question);
      if (verdict === "next") return await this.#authorizeFrom(index + 1, question);
      return verdict === "allow" || this.#refused(provider, verdict, question.identity);
    } catch (error) {
      return this.#faulted(provider, error, question.identity);
    }
  }

  /** False for "deny"; anything else is no valid answer. */
  #refused(provider: AuthProvider, verdict: unknown, identity: ClientIdentity): boolean {
    if (verdict === "deny") return false;
    return this.#faulted(provider, new Error(`no verdict: ${String(verdict)}`), identity);
  }

  #faulted(provider: AuthProvider, error: unknown, identity: ClientIdentity): boolean {
    this.faultCount++;
    this.#reportFault(provider, error);
    return this.#deps.bypassesPermissionErrors(identity.tenantId);
  }

  #reportFault(provider: AuthProvider, error: unknown): void {
    this.#deps.onFault(provider.name, error);
  }
}

function rejection(reasonCode: number, reason: string): AuthDecision {
  return reject(reasonCode, reason) as AuthDecision;
}

/** 0x88 is no DISCONNECT code, so a re-authentication fails with 0x87 (MQTT5 §3.14.2.1). */
function unavailable(isReAuthentication: boolean): AuthDecision {
  const code = isReAuthentication ? ReasonCode.NOT_AUTHORIZED : ReasonCode.SERVER_UNAVAILABLE;
  return rejection(code, "authentication is not possible at present");
}

function nobodyKnows(request: AuthRequest): AuthDecision {
  if (request.username !== null) return BAD_CREDENTIALS as AuthDecision;
  return rejection(ReasonCode.NOT_AUTHORIZED, "anonymous access is not permitted from here");
}

/** A re-authentication renews who the client is; it cannot make it somebody else. */
function boundTo(current: ClientIdentity | null, outcome: AuthDecision): AuthDecision {
  if (outcome.kind !== "success") return outcome;
  const isSame = current?.tenantId === outcome.tenantId && current.userId === outcome.userId;
  if (isSame) return outcome;
  return rejection(ReasonCode.NOT_AUTHORIZED, "re-authentication as another user");
}
