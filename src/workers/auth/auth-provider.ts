/**
 * What the broker asks of authentication and authorization, and what providers answer. Every call
 * is asynchronous with a time limit; a provider that throws, rejects or is late counts as "no"
 * (fail closed).
 *
 * Thread: worker. Each worker builds its own providers from the configuration.
 */

import type { UserProperty } from "../../shared/mqtt/packet-view.ts";

/** What is known of a client before it is authenticated. */
export interface AuthRequest {
  readonly protocolVersion: 3 | 4 | 5;
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isLoopback: boolean;
  readonly listenerId: string;
  /** Subject common name and whole subject of a verified client certificate, else null. */
  readonly certificate: { readonly commonName: string; readonly subject: string } | null;
  readonly userProperties: readonly UserProperty[];
}

/** Who a client is, for the rest of its connection. Part of every authorization question. */
export interface ClientIdentity {
  readonly tenantId: string;
  /** Bound to the session: another user cannot resume it. Empty for anonymous clients. */
  readonly userId: string;
  readonly username: string | null;
  readonly clientId: string;
  readonly remoteAddress: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export type AuthOutcome =
  | {
      readonly kind: "success";
      readonly tenantId: string;
      readonly userId: string;
      readonly attributes?: Readonly<Record<string, string>>;
      /** MQTT 5 CONNACK extras. */
      readonly responseInformation?: string;
      readonly userProperties?: readonly UserProperty[];
      /** Final data of an extended authentication. */
      readonly authData?: Uint8Array;
    }
  /**
   * One more AUTH round trip (extended authentication only). `state` comes back in the next step.
   */
  | { readonly kind: "continue"; readonly authData: Uint8Array; readonly state: unknown }
  /** This provider has no opinion: ask the next one. Nobody had one: not authorized. */
  | { readonly kind: "next" }
  /**
   * `reasonCode`: an MQTT 5 CONNACK code; mapped for MQTT 3.x. `serverReference` goes with 0x9C and
   * 0x9D.
   */
  | {
      readonly kind: "reject";
      readonly reasonCode: number;
      readonly reason: string;
      readonly serverReference?: string;
    };

/** One step of an extended authentication: CONNECT's or AUTH's data. */
export interface ExtendedAuthStep {
  readonly method: string;
  readonly data: Uint8Array | null;
  /** Null on the first step; then what the provider returned in "continue". */
  readonly state: unknown;
  readonly isReAuthentication: boolean;
}

export const AuthAction = {
  PUBLISH: 0,
  SUBSCRIBE: 1,
  UNSUBSCRIBE: 2,
  WILL: 3,
  CONNECT: 4,
} as const;
export type AuthAction = (typeof AuthAction)[keyof typeof AuthAction];

/**
 * "next": no opinion, ask the next provider; nobody had one: allowed unless an ACL provider is
 * configured.
 */
export type Verdict = "allow" | "deny" | "next";

export interface AuthProvider {
  readonly name: string;
  /** Extended authentication methods this provider serves, e.g. ["SCRAM-SHA-256"]. */
  readonly methods: readonly string[];
  authenticate(request: AuthRequest): AuthOutcome | Promise<AuthOutcome>;
  authenticateExtended(
    request: AuthRequest,
    step: ExtendedAuthStep,
  ): AuthOutcome | Promise<AuthOutcome>;
  /**
   * `topic`: a topic name (PUBLISH, WILL), a filter without its `$share/group/` (SUBSCRIBE,
   * UNSUBSCRIBE), "" (CONNECT).
   */
  authorize(
    identity: ClientIdentity,
    action: AuthAction,
    topic: string,
    qos: number,
    retain: boolean,
  ): Verdict | Promise<Verdict>;
  /**
   * Takes changed files into use, all or nothing; rejects with a clear text and keeps the old state
   * on bad input.
   */
  reload(): Promise<void>;
  close(): void;
}
