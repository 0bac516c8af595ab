/** Worker entry of the ring race: runs one RaceThread and reports when it has finished. */

import { parentPort, workerData } from "node:worker_threads";
import { type RaceBoot, type RacePeer, RaceThread } from "./ring-race-thread.ts";

const thread = new RaceThread(workerData as RaceBoot, (report) => parentPort?.postMessage(report));
parentPort?.on("message", (peer: RacePeer) => thread.replacePeer(peer));
