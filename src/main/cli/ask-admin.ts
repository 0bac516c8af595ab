/** One request of a command to the admin server of a running broker, and what its answer means. */

import { ExitCode, ExitError } from "../exit-code.ts";
import type { OptionDefinition, ParsedCommand } from "./command-line.ts";

const DEFAULT_URL = "http://127.0.0.1:8091";
const TIMEOUT_MS = 60_000;

export const URL_OPTION: OptionDefinition = {
  name: "url",
  value: "URL",
  help: `the broker's admin server (default: ${DEFAULT_URL})`,
};

/** The admin server that the options name, without a slash at the end. */
export function urlOf(parsed: ParsedCommand): string {
  return (parsed.values.get("url")?.[0] ?? DEFAULT_URL).replace(/\/+$/, "");
}

/** What it answers, an object; throws ExitError 1 when it refuses or is not there. */
export async function askAdmin(url: string, request: RequestInit): Promise<object> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { ...request, signal }).catch((error: unknown) => {
    const { cause } = error as { cause?: { code?: string } };
    const reason = cause?.code ?? (error instanceof Error ? error.message : String(error));
    const text = `no answer from ${url} (${reason}); is the broker running, and is --url its admin server?`;
    throw new ExitError(ExitCode.RUNTIME, text, { cause: error });
  });
  const answer: unknown = await response.json().catch(() => null);
  const isObject = typeof answer === "object" && answer !== null;
  if (response.ok && isObject) return answer;
  const message = isObject ? Reflect.get(answer, "message") : "";
  const text = typeof message === "string" && message !== "" ? message : `HTTP ${response.status}`;
  throw new ExitError(ExitCode.RUNTIME, text);
}
