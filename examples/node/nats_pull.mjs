// A recipient on NATS: pulls its own durable, acknowledges after it has written, reports by request. See recipient.mjs.
//
//   MADOGUCHI_NATS_URL      nats://...
//   MADOGUCHI_NATS_CREDS    the .creds file
//   MADOGUCHI_NATS_ACCOUNT  A..., your account: also the name of the durable
//   MADOGUCHI_DESK          https://... the partner API, where the books are compared; see desk.mjs

import { readFileSync } from "node:fs";
import { connect, credsAuthenticator } from "nats";
import { compareForEver } from "./desk.mjs";
import { fromEnvironment, Malformed, Refused } from "./recipient.mjs";

const account = process.env.MADOGUCHI_NATS_ACCOUNT;
const me = await fromEnvironment();
const client = await connect({
  servers: process.env.MADOGUCHI_NATS_URL,
  authenticator: credsAuthenticator(readFileSync(process.env.MADOGUCHI_NATS_CREDS)),
  // With a shared prefix anybody in an account could read another's pulls: the desk allows this one only.
  inboxPrefix: `_INBOX_${account}`,
  maxReconnectAttempts: -1,
});
console.log("connected");

async function report() {
  for (const jws of [...me.open]) {
    try {
      const message = await client.request(`report.${account}.v1`, jws, { timeout: 5000 });
      const answer = message.json();
      if (answer.result === "unavailable") break;
      me.answered(jws, answer);
    } catch {
      break;
    }
  }
  setTimeout(report, 200);
}
report();
compareForEver(me);

const consumer = await client.jetstream({ checkAPI: false }).consumers.get("OPTOUT", account);
for (;;) {
  const messages = await consumer.fetch({ max_messages: 64, expires: 30_000 });
  for await (const message of messages) {
    try {
      await me.take(Buffer.from(message.data));
      // Waits until the server says that it has the acknowledgement.
      await message.ackAck();
    } catch (error) {
      if (error instanceof Refused || error instanceof Malformed) message.term(error.message);
      else message.nak(1000);
    }
  }
}
