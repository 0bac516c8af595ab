/**
 * Has a temporary folder and a child that writes into it without end; says where the folder is and
 * which process the child is, and waits to be interrupted.
 */

import { SpawnedProcess } from "./child-process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const WRITE = 'n=0; while :; do n=$((n+1)); echo > "$0/$n"; done';

const folder = temporaryFolder("ratatosk-interrupted-");
const { pid } = new SpawnedProcess("sh", ["-c", WRITE, folder]);
process.stdout.write(`${JSON.stringify({ folder, pid })}\n`);
