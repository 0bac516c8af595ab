/**
 * Lets clients in that bring no user name: from loopback, from everywhere, or (then the chain leaves this provider
 * out) not at all. A client with a user name wants to be somebody, so its claim is never turned into "anybody" here.
 * Thread: worker.
 */

import { NEXT } from "./auth-outcome.ts";
import type { AuthOutcome, AuthProvider, AuthRequest, Verdict } from "./auth-provider.ts";

export class AnonymousProvider implements AuthProvider {
  readonly name = "anonymous";
  readonly methods: readonly string[] = [];
  readonly #from: "loopback" | "all";
  readonly #success: AuthOutcome;

  constructor(from: "loopback" | "all", tenantId: string) {
    this.#from = from;
    this.#success = { kind: "success", tenantId, userId: "" };
  }

  authenticate(request: AuthRequest): AuthOutcome {
    if (request.username !== null) return NEXT;
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
