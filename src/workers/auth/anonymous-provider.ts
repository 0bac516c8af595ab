/**
 * Lets clients in that bring no user name: from loopback, from everywhere, or (then the chain
 * leaves this provider out) not at all. Where credentials are configured, a client with a user name
 * wants to be somebody, and its claim is never turned into "anybody" here. Where none are, nothing
 * could tell whether the claim is true: the name is ignored, as mosquitto does, so that clients
 * with leftover credentials in their settings still work. Thread: worker.
 */

import { NEXT } from "./auth-outcome.ts";
import type { AuthOutcome, AuthProvider, AuthRequest, Verdict } from "./auth-provider.ts";

export class AnonymousProvider implements AuthProvider {
  readonly name = "anonymous";
  readonly methods: readonly string[] = [];
  readonly #from: "loopback" | "all";
  readonly #ignoresUserNames: boolean;
  readonly #success: AuthOutcome;

  /** `ignoresUserNames`: nothing else in the chain could verify one. */
  constructor(from: "loopback" | "all", tenantId: string, ignoresUserNames: boolean) {
    this.#from = from;
    this.#ignoresUserNames = ignoresUserNames;
    this.#success = { kind: "success", tenantId, userId: "" };
  }

  authenticate(request: AuthRequest): AuthOutcome {
    if (request.username !== null && !this.#ignoresUserNames) return NEXT;
    return this.#from === "all" || request.isLoopback ? this.#success : NEXT;
  }

  /** An authentication method asks for proof, and there is none to give anonymously. */
  authenticateExtended(): AuthOutcome {
    return NEXT;
  }

  authorize(): Verdict {
    return "next";
  }

  async reload(): Promise<void> {
    // Has no file.
  }

  close(): void {
    // Holds nothing.
  }
}
