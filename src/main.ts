#!/usr/bin/env node
/** Entry of the process. */

import { runCli } from "./main/cli.ts";

await runCli(process.argv.slice(2));
