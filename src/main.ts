#!/usr/bin/env node
/** Entry of the process. */

import { runCli } from "./main/cli.ts";
import { growThreadPool } from "./platform/thread-pool.ts";

growThreadPool();
await runCli(process.argv.slice(2));
