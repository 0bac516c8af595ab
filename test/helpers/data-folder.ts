/** Brokers that are killed, stopped and started again over one data folder. */

import type { TestContext } from "node:test";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { removeFolder, temporaryFolder } from "./temporary-folder.ts";

/** A folder for the data of a broker, which goes with the test. */
export function dataFolder(t: TestContext): string {
  const path = temporaryFolder("ratatosk-data-");
  t.after(() => removeFolder(path));
  return path;
}

/** A broker over `folder` that is ready; killed with the test, if it still runs. */
export async function startOver(
  t: TestContext,
  folder: string,
  workers = 2,
): Promise<BrokerProcess> {
  const broker = await startBroker({ workers, config: { data_dir: folder } });
  t.after(() => broker.kill());
  return broker;
}
