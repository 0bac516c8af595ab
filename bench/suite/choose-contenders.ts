/**
 * Who runs: our broker with each number of workers (or the broker at an address), and the peers
 * beside it.
 */

import type { Contender } from "../contenders/contender.ts";
import { externalBroker } from "../contenders/external.ts";
import {
  HOW_TO_INSTALL_MOSQUITTO,
  mosquitto,
  mosquittoAutosave,
  mosquittoVersion,
} from "../contenders/mosquitto.ts";
import { aedes, writeLoop } from "../contenders/node-server.ts";
import { ratatosk } from "../contenders/ratatosk.ts";
import type { Entrant } from "./cell.ts";
import { type PeerChoice, type PeerName, type SuiteOptions, UsageError } from "./options.ts";

const PEERS: Readonly<Record<PeerName, Contender>> = {
  mosquitto,
  "mosquitto-autosave": mosquittoAutosave,
  aedes,
  "write-loop": writeLoop,
};

/**
 * Those that are asked for and can be run here; throws a UsageError when a peer is missing.
 * `profileDirectory`: where our broker writes CPU profiles, "" = none.
 */
export function chooseContenders(
  options: SuiteOptions,
  profileDirectory: string,
  warn: (text: string) => void,
): Entrant[] {
  const entrants = entrantsOf(options, profileDirectory);
  const isMosquitto = ({ contender }: Entrant) =>
    contender === mosquitto || contender === mosquittoAutosave;
  if (mosquittoVersion() !== "" || !entrants.some(isMosquitto)) return entrants;
  if (options.peers !== null) throw new UsageError(HOW_TO_INSTALL_MOSQUITTO);
  warn(`${HOW_TO_INSTALL_MOSQUITTO}. Going on without a peer.`);
  return entrants.filter((entrant) => !isMosquitto(entrant));
}

/** As asked for, whether it is installed or not. Peers come first: they are the reference. */
export function entrantsOf(options: SuiteOptions, profileDirectory: string): Entrant[] {
  const { broker, workers, durability } = options;
  const subjects =
    broker === null
      ? workers.flatMap((count) =>
          durability.map((how) => {
            return ratatosk({ workers: count, profileDirectory, durability: how });
          }),
        )
      : [externalBroker(broker.host, broker.port, broker.pid)];
  // Somebody else's broker is measured alone unless a peer is asked for.
  const usual: PeerChoice[] = broker === null ? [{ name: "mosquitto", rounds: null }] : [];
  return [
    ...(options.peers ?? usual).map(({ name, rounds }) => ({ contender: PEERS[name], rounds })),
    ...subjects.map((contender) => ({ contender, rounds: null })),
  ];
}
