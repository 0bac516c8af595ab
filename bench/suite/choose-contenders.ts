/**
 * Who runs: our broker with each number of workers (or the broker at an address), and the peers
 * beside it.
 */

import type { Contender } from "../contenders/contender.ts";
import { externalBroker } from "../contenders/external.ts";
import { HOW_TO_INSTALL_MOSQUITTO, mosquitto, mosquittoVersion } from "../contenders/mosquitto.ts";
import { aedes, writeLoop } from "../contenders/node-server.ts";
import { ratatosk } from "../contenders/ratatosk.ts";
import { type PeerName, type SuiteOptions, UsageError } from "./options.ts";

const PEERS: Readonly<Record<PeerName, Contender>> = {
  mosquitto,
  aedes,
  "write-loop": writeLoop,
};

/**
 * `profileDirectory`: where our broker writes CPU profiles, "" = none. Peers come first: they are
 * the reference.
 */
export function chooseContenders(
  options: SuiteOptions,
  profileDirectory: string,
  warn: (text: string) => void,
): Contender[] {
  const subjects =
    options.broker === null
      ? options.workers.map((workers) => ratatosk({ workers, profileDirectory }))
      : [externalBroker(options.broker.host, options.broker.port, options.broker.pid)];
  return [...choosePeers(options, warn), ...subjects];
}

function choosePeers(options: SuiteOptions, warn: (text: string) => void): Contender[] {
  const isMissing = mosquittoVersion() === "";
  if (options.peers === null) {
    // Somebody else's broker is measured alone unless a peer is asked for.
    if (options.broker !== null) return [];
    if (isMissing) warn(`${HOW_TO_INSTALL_MOSQUITTO}. Going on without a peer.`);
    return isMissing ? [] : [mosquitto];
  }
  if (isMissing && options.peers.includes("mosquitto"))
    throw new UsageError(HOW_TO_INSTALL_MOSQUITTO);
  return options.peers.map((name) => PEERS[name]);
}
