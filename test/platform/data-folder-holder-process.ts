/**
 * Takes a data folder, says so, and holds it until it is killed. Run by data-folder.test.ts.
 */

import { openDataFolder } from "../../src/platform/data-folder.ts";

const [, , path = ""] = process.argv;
openDataFolder(path, { stores: 2, log: "lmdb" });
process.stdout.write("held\n");
setInterval(() => {}, 1_000_000);
