/**
 * `ratatosk ranges list | split | merge | compact | reset | reset-store`: asks a running broker over
 * its admin server.
 */

import type { RangeListing } from "../ranges/list-ranges.ts";
import { askAdmin, URL_OPTION, urlOf } from "./ask-admin.ts";
import { type CommandDefinition, HELP_OPTION, type ParsedCommand, usage } from "./command-line.ts";
import { formatTable } from "./format-table.ts";

/** Of a key, enough to tell ranges apart; --json has all of it. */
const SHOWN_KEY_DIGITS = 16;

export const RANGES_COMMAND: CommandDefinition = {
  name: "ranges",
  operands: "list|split ID|merge ID|compact ID|reset ID|reset-store STORE",
  maxOperands: 2,
  summary: "Lists, cuts, joins, compacts and renews the ranges of a running broker.",
  options: [
    URL_OPTION,
    { name: "key", value: "HEX", help: "split: the first key of the new range (default: half)" },
    { name: "yes", help: "reset, reset-store: what the range or store holds may go" },
    { name: "json", help: "the API's answer in place of a table" },
    HELP_OPTION,
  ],
  notes: `list      all ranges of the node, with their bounds, state and size
split     cuts range ID in two, in one store; nothing is copied
merge     makes range ID take over its right-hand neighbour in the same store
compact   writes the state of range ID and drops the log before it
reset     puts an empty range in the place of range ID, which is damaged; what
          the store has of it goes into a file there (the log names it), and the
          sessions or retained messages in it are lost to the broker
reset-store  the same for a store whose ranges are all damaged: its files are
          kept under another name, and an empty one takes its place

Exit code 0 when it is done, 1 when the broker refused or cannot be reached.`,
};

/** Throws ExitError 64 for what makes no sense and 1 for what the broker refuses. */
export async function runRanges(parsed: ParsedCommand): Promise<void> {
  const [action, id] = parsed.operands;
  const key = parsed.values.get("key")?.[0];
  checkOperands(action, id, key);
  const isConfirmed = parsed.flags.has("yes");
  const isReset = action === "reset" || action === "reset-store";
  if (isConfirmed !== isReset) throw usage(confirmation(isReset), RANGES_COMMAND);
  const body = JSON.stringify({
    ...(key === undefined ? {} : { key }),
    ...(isConfirmed ? { confirm: Number(id) } : {}),
  });
  const headers = { "content-type": "application/json" };
  const request = action === "list" ? {} : { method: "POST", body, headers };
  const url = `${urlOf(parsed)}/v1/${pathOf(action, id)}`;
  const answer = (await askAdmin(url, request)) as RangesAnswer;
  const isJson = parsed.flags.has("json");
  process.stdout.write(isJson ? `${JSON.stringify(answer, null, 2)}\n` : table(answer.ranges));
}

function pathOf(action: string | undefined, id: string | undefined): string {
  if (action === "list") return "ranges";
  return action === "reset-store" ? `stores/${id}/reset` : `ranges/${id}/${action}`;
}

function confirmation(isReset: boolean): string {
  return isReset
    ? "reset gives up what the range or store holds: say --yes if that is meant"
    : "--yes is for reset and reset-store";
}

function checkOperands(
  action: string | undefined,
  id: string | undefined,
  key: string | undefined,
): void {
  switch (action) {
    case "list":
      if (id !== undefined) throw usage(`unexpected "${id}"`, RANGES_COMMAND);
      break;
    case "split":
    case "merge":
    case "compact":
    case "reset":
      if (id === undefined) throw usage(`${action} needs a range: its id`, RANGES_COMMAND);
      if (!/^[1-9]\d{0,9}$/.test(id)) throw usage(`"${id}" is no range id`, RANGES_COMMAND);
      break;
    case "reset-store":
      if (id === undefined) throw usage(`${action} needs a store: its number`, RANGES_COMMAND);
      if (!/^[1-9]\d{0,3}$/.test(id)) throw usage(`"${id}" is no store`, RANGES_COMMAND);
      break;
    case undefined:
      throw usage(
        "ranges needs an action: list, split, merge, compact, reset or reset-store",
        RANGES_COMMAND,
      );
    default:
      throw usage(`unknown action "${action}"`, RANGES_COMMAND);
  }
  if (key !== undefined && action !== "split") throw usage("--key is for split", RANGES_COMMAND);
}

interface RangesAnswer {
  readonly ranges: readonly RangeListing[];
}

function table(ranges: readonly RangeListing[]): string {
  const head = [
    "ID",
    "SERVICE",
    "START",
    "END",
    "STORE",
    "WORKER",
    "STATE",
    "KEYS",
    "BYTES",
    "LOG",
  ];
  const rows = ranges.map((range) => [
    String(range.id),
    range.service ?? "?",
    bound(range.start, "-inf"),
    bound(range.end, "+inf"),
    String(range.store),
    String(range.worker),
    range.damage === null ? range.state : `${range.state}: ${range.damage}`,
    String(range.keys ?? "-"),
    String(range.state_bytes ?? "-"),
    String(range.log_entries ?? "-"),
  ]);
  return formatTable([head, ...rows]);
}

function bound(key: string | null, none: string): string {
  if (key === null || key === "") return none;
  return key.length > SHOWN_KEY_DIGITS ? `${key.slice(0, SHOWN_KEY_DIGITS)}..` : key;
}
