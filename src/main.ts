#!/usr/bin/env node
/** Entry of the process. */

import { availableParallelism } from "node:os";
import { runCli } from "./main/cli.ts";

// Each store's commit occupies a thread of libuv's pool while the disk works, so there must be more
// of them than the usual four. Node 20 has made its pool before it gets here: README says what
// helps.
process.env["UV_THREADPOOL_SIZE"] ??= String(2 * availableParallelism() + 4);

await runCli(process.argv.slice(2));
