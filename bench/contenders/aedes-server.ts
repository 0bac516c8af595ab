/**
 * aedes as the peer, in a process of its own: in-memory persistence and emitter, which are its
 * fastest.
 *
 *   concurrency      its default of 100 messages at once would be the limit of the larger windows
 *   drainTimeout     off: a subscriber that is slow for a moment must not be disconnected during a comparison
 *   keepaliveLimit   off: the generator sends no keep alive
 *
 *   node aedes-server.js tcp|tls|ws      certificates as JSON on stdin for tls; prints its port
 */

import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Aedes } from "aedes";
import { createWebSocketStream, WebSocketServer } from "ws";

const broker = await Aedes.createBroker({
  concurrency: 65_535,
  queueLimit: 65_535,
  maxClientsIdLength: 256,
  drainTimeout: 0,
  keepaliveLimit: 0,
});

async function createServer(transport: string): Promise<Server> {
  if (transport === "tls") {
    let text = "";
    for await (const chunk of process.stdin) text += String(chunk);
    return createTlsServer(JSON.parse(text) as { cert: string; key: string }, (socket) => {
      broker.handle(socket);
    });
  }
  if (transport === "ws") {
    const server = createHttpServer();
    const sockets = new WebSocketServer({ server, handleProtocols: () => "mqtt" });
    sockets.on("connection", (socket, request) => {
      broker.handle(createWebSocketStream(socket), request);
    });
    return server;
  }
  return createTcpServer({ noDelay: true }, (socket) => {
    broker.handle(socket);
  });
}

const server = await createServer(process.argv[2] ?? "tcp");
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (address !== null && typeof address === "object") console.log(String(address.port));
