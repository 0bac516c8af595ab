/** `ratatosk config check | show | schema`: the configuration without running anything. */

import { publishedSchema } from "../config/published-schema.ts";
import { redact } from "../config/redact.ts";
import { configReference } from "../config/reference.ts";
import { inSchemaOrder } from "../config/schema-walk.ts";
import { formatYaml } from "../config/yaml-file.ts";
import { type CommandDefinition, HELP_OPTION, type ParsedCommand, usage } from "./command-line.ts";
import { CONFIG_OPTIONS, configSources, loadOrExit } from "./config-options.ts";

export const CONFIG_COMMAND: CommandDefinition = {
  name: "config",
  operands: "check|show|schema",
  maxOperands: 1,
  summary: "Checks, prints or documents the configuration.",
  options: [
    ...CONFIG_OPTIONS,
    { name: "markdown", help: "schema: the reference page in place of the JSON Schema" },
    HELP_OPTION,
  ],
  notes: `check    says what is wrong, each with file, line and remedy; exit code 0 or 78
show     prints the configuration that "start" would run with, as YAML, secrets hidden
schema   prints a JSON Schema for editors: put
         # yaml-language-server: $schema=ratatosk.schema.json
         at the top of a configuration to get completion and checks while typing`,
};

/** Throws ExitError 64 for an unknown action and 78 for a wrong configuration. */
export function runConfig(parsed: ParsedCommand): void {
  const [action] = parsed.operands;
  switch (action) {
    case "check": {
      const sources = configSources(parsed);
      warn(loadOrExit(sources).warnings);
      process.stdout.write(`${sources.file ?? "the configuration"} is valid\n`);
      return;
    }
    case "show": {
      const { tree, warnings } = loadOrExit(configSources(parsed));
      warn(warnings);
      process.stdout.write(formatYaml(redact(inSchemaOrder(tree))));
      return;
    }
    case "schema": {
      const isReference = parsed.flags.has("markdown");
      const schema = `${JSON.stringify(publishedSchema(), null, 2)}\n`;
      process.stdout.write(isReference ? configReference() : schema);
      return;
    }
    default:
      throw usage(
        action === undefined
          ? "config needs an action: check, show or schema"
          : `unknown action "${action}"`,
        CONFIG_COMMAND,
      );
  }
}

function warn(warnings: readonly string[]): void {
  for (const text of warnings) process.stderr.write(`warning: ${text}\n`);
}
