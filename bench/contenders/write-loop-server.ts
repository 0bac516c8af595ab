/**
 * The floor: what it costs Node to write one PUBLISH to every subscriber and nothing else.
 *
 * Speaks just enough MQTT 3.1.1 to serve the load generator's fan-out at QoS 0: CONNECT and
 * SUBSCRIBE get fixed answers, and every PUBLISH is written, as received, to every subscribed
 * socket in a bare loop. No session, no match, no encoding, no queue. Prints its port.
 */

import { createServer, type Socket } from "node:net";
import { PacketType } from "../../src/shared/mqtt/packet-type.ts";

const CONNACK = Buffer.of(PacketType.CONNACK << 4, 2, 0, 0);
const SUBACK = Buffer.of(PacketType.SUBACK << 4, 3, 0, 1, 0);
const subscribers: Socket[] = [];

/**
 * The generator's packets are shorter than 128 bytes and arrive whole: one length byte, no
 * reassembly.
 */
function handleBytes(socket: Socket, bytes: Buffer): void {
  let offset = 0;
  while (offset < bytes.length) {
    const type = (bytes[offset] ?? 0) >> 4;
    const end = offset + 2 + (bytes[offset + 1] ?? 0);
    if (type === PacketType.CONNECT) {
      socket.write(CONNACK);
    } else if (type === PacketType.SUBSCRIBE) {
      subscribers.push(socket);
      socket.write(SUBACK);
    } else {
      const packet = bytes.subarray(offset, end);
      for (const subscriber of subscribers) subscriber.write(packet);
    }
    offset = end;
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("data", (bytes) => handleBytes(socket, bytes));
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    const index = subscribers.indexOf(socket);
    if (index >= 0) subscribers.splice(index, 1);
  });
});

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(String(address.port));
});
