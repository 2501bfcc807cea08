// Verifies every message with the published Standard Webhooks library and says what it saw, one JSON
// object a line. Written from docs/feed.md alone. Usage: node receiver.mjs <secret>

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.argv[2]);

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    try {
      const message = webhook.verify(Buffer.concat(chunks).toString("utf8"), request.headers);
      say({ verified: true, id: request.headers["webhook-id"], message });
      response.writeHead(204).end();
    } catch (error) {
      say({ verified: false, error: error.message });
      response.writeHead(400).end();
    }
  });
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
