/**
 * Log lines for people: `12:04:31.220 warn  w2  client_refused  client_id=pump-7 reason="bad password"`.
 * Only on a terminal; the machine-readable form is the JSON line it is made from.
 */

const LEVEL_COLOURS: Readonly<Record<string, number>> = {
  debug: 90,
  info: 32,
  warn: 33,
  error: 31,
};
const DIM = 2;
const BOLD = 1;

/** Fields with a place of their own, or the same on every line of a terminal session. */
const HEADING_FIELDS = new Set(["time", "level", "msg", "worker", "node"]);

/** Turns one JSON log line into one line for a terminal (plus a stack, if an error came along). */
export function prettyLine(jsonLine: string, useColour: boolean): string {
  const entry = JSON.parse(jsonLine) as Record<string, unknown>;
  const level = String(entry["level"]);
  const paint = (text: string, style: number) =>
    useColour ? `\u001b[${style}m${text}\u001b[0m` : text;
  const thread = entry["worker"] === undefined ? "main" : `w${String(entry["worker"])}`;
  const heading = [
    paint(String(entry["time"]).slice(11, 23), DIM),
    paint(level.padEnd(5), LEVEL_COLOURS[level] ?? BOLD),
    paint(thread.padEnd(4), DIM),
    paint(String(entry["msg"]), BOLD),
  ];
  const fields = Object.entries(entry)
    .filter(([name]) => !HEADING_FIELDS.has(name))
    .map(([name, value]) => `${paint(`${name}=`, DIM)}${fieldText(value)}`);
  return `${[...heading, ...fields].join(" ")}${stackText(entry["error"])}\n`;
}

function fieldText(value: unknown): string {
  if (isErrorRecord(value)) return JSON.stringify(value.message);
  if (typeof value === "string" && /^[\w.:/@+[\]-]+$/.test(value)) return value;
  return JSON.stringify(value);
}

function stackText(error: unknown): string {
  return isErrorRecord(error) && error.stack !== undefined ? `\n${error.stack}` : "";
}

function isErrorRecord(value: unknown): value is { message: string; stack?: string } {
  return typeof value === "object" && value !== null && "message" in value;
}
