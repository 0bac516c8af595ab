/** `ratatosk sessions end CLIENT`: asks a running broker over its admin server. */

import { askAdmin, URL_OPTION, urlOf } from "./ask-admin.ts";
import { type CommandDefinition, HELP_OPTION, type ParsedCommand, usage } from "./command-line.ts";

const DEFAULT_TENANT = "default";

export const SESSIONS_COMMAND: CommandDefinition = {
  name: "sessions",
  operands: "end CLIENT",
  maxOperands: 2,
  summary: "Ends a session of a running broker.",
  options: [
    URL_OPTION,
    { name: "tenant", value: "TENANT", help: `of the client (default: ${DEFAULT_TENANT})` },
    HELP_OPTION,
  ],
  notes: `end   closes the connection of CLIENT, a client identifier, and forgets what is stored of its
      session: subscriptions, messages that wait, exchanges. Its will is published. Whoever
      connects with that identifier next begins anew, as whatever user.

Exit code 0 when it is done, 1 when nothing is stored, the broker refused or cannot be reached.`,
};

/** Throws ExitError 64 for what makes no sense and 1 for what the broker refuses. */
export async function runSessions(parsed: ParsedCommand): Promise<void> {
  const [action, clientId] = parsed.operands;
  if (action === undefined) throw usage("sessions needs an action: end", SESSIONS_COMMAND);
  if (action !== "end") throw usage(`unknown action "${action}"`, SESSIONS_COMMAND);
  if (clientId === undefined) {
    throw usage("end needs a session: its client identifier", SESSIONS_COMMAND);
  }
  const tenant = parsed.values.get("tenant")?.[0] ?? DEFAULT_TENANT;
  const path = [tenant, clientId].map(encodeURIComponent).join("/");
  await askAdmin(`${urlOf(parsed)}/v1/sessions/${path}`, { method: "DELETE" });
  process.stdout.write(`session of ${clientId} ended\n`);
}
