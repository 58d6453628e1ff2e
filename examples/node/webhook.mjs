// A recipient behind a webhook (Standard Webhooks 1.0.0), with the library of that project. See recipient.mjs.
//
//   MADOGUCHI_WEBHOOK_SECRET  whsec_...   shared secrets, separated by spaces while one is changed
//   MADOGUCHI_WEBHOOK_PUBLIC  whpk_...    public keys of the desk, the same way; optional
//   MADOGUCHI_DESK            https://... the partner API, where reports go
//   MADOGUCHI_LISTEN          127.0.0.1:8080

import { createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";
import { compareForEver, reportForEver } from "./desk.mjs";
import { BODY_MAX, fromEnvironment, Malformed, Refused } from "./recipient.mjs";

const words = (name) => (process.env[name] ?? "").split(" ").filter(Boolean);
const secrets = words("MADOGUCHI_WEBHOOK_SECRET").map((text) => new Webhook(text));
const publicKeys = words("MADOGUCHI_WEBHOOK_PUBLIC").map((text) => {
  const x = Buffer.from(text.replace(/^whpk_/, ""), "base64").toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
});
const me = await fromEnvironment();

/** `v1` by the library, which also looks at the time; `v1a`, which the library does not know, by the public key. */
function believed(body, headers) {
  const shared = secrets.some((secret) => {
    try {
      secret.verify(body, headers);
      return true;
    } catch {
      return false;
    }
  });
  if (!shared || publicKeys.length === 0) return shared;
  const content = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
  const parts = headers["webhook-signature"].split(" ").filter((part) => part.startsWith("v1a,"));
  return parts.some((part) => publicKeys.some((key) => verify(null, content, key, Buffer.from(part.slice(4), "base64"))));
}

async function read(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > BODY_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function status(request) {
  const body = await read(request);
  if (body === null) return 413;
  if (!believed(body, request.headers)) return 401;
  try {
    await me.take(body);
    return 204;
  } catch (error) {
    if (error instanceof Refused) return 422;
    if (error instanceof Malformed) return 400;
    console.error(error);
    return 503;
  }
}

const server = createServer(async (request, response) => {
  const answer = request.method === "POST" ? await status(request).catch(() => 503) : 405;
  response.writeHead(answer, answer === 413 ? { connection: "close" } : {}).end();
});
server.requestTimeout = 30_000;

const [host, port] = (process.env.MADOGUCHI_LISTEN ?? "127.0.0.1:8080").split(":");
server.listen(Number(port), host, () => {
  console.log(`listening on ${host}:${server.address().port}`);
  reportForEver(me);
  compareForEver(me);
});
