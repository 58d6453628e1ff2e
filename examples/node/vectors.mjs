// Verifies the published test vectors with the libraries that recipient.mjs uses: `node vectors.mjs vectors.json`.

import { deepStrictEqual as same, ok } from "node:assert";
import { createHash, createHmac, createPublicKey, ECDH, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { compactVerify, importJWK } from "jose";
import { Webhook } from "standardwebhooks";
import { keyId, Keys } from "./recipient.mjs";

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { instruction, sealing, report, webhook, request, standing } = vectors;
const raw = (text) => Buffer.from(text, "base64");
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

same(sha256(instruction), vectors.digest);

const keys = await Keys.from(raw(report.EdDSA.secret), raw(sealing.secret));
same([keys.sealingPublic.toString("base64"), keyId(keys.sealingPublic)], [sealing.public, sealing.key_id]);
same(await keys.open(JSON.parse(instruction).id, raw(sealing.sealed)), sealing.plaintext);

const point = ECDH.convertKey(raw(report.ES256.public), "prime256v1", undefined, undefined, "uncompressed");
const okp = { kty: "OKP", crv: "Ed25519", x: raw(report.EdDSA.public).toString("base64url") };
const ec = { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
for (const [alg, jwk] of [["EdDSA", okp], ["ES256", ec]]) {
  const verified = await compactVerify(report[alg].jws, await importJWK(jwk, alg), { algorithms: [alg] });
  same(JSON.parse(new TextDecoder().decode(verified.payload)), report.payload);
  same(verified.protectedHeader, { alg, kid: report[alg].kid, typ: "madoguchi-report-v1+jws" });
  same(keyId(raw(report[alg].public)), report[alg].kid);
}

const id = webhook["webhook-id"], at = new Date(Number(webhook["webhook-timestamp"]) * 1000);
const parts = Object.fromEntries(webhook["webhook-signature"].split(" ").map((part) => part.split(/,(.*)/s)));
same(new Webhook(webhook.secret).sign(id, at, instruction), `v1,${parts.v1}`);
const jwk = { kty: "OKP", crv: "Ed25519", x: raw(webhook.public.slice(5)).toString("base64url") };
const signed = Buffer.from(`${id}.${webhook["webhook-timestamp"]}.${instruction}`);
ok(verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), raw(parts.v1a)));

const [kid, proof] = request.EdDSA.split(",");
same(kid, report.EdDSA.kid);
ok(verify(null, Buffer.from(request.lines), createPublicKey({ key: okp, format: "jwk" }), raw(proof)));

// Keyed hashes: each rule's parts, folded, with their lengths; then HMAC under the gate key, the first 16 bytes.
const hashed = vectors.keyed_hashes;
function keyed(start, ...texts) {
  const hash = createHash("sha256").update(start);
  for (const bytes of texts.map((text) => Buffer.from(text))) hash.update(Buffer.from([bytes.length >> 8, bytes.length])).update(bytes);
  return createHmac("sha256", raw(hashed.gate_key)).update(hash.digest()).digest("hex").slice(0, 32);
}
for (const { rule, parts, hash } of hashed.keys) {
  same(keyed("madoguchi-gate-key-v1", rule, ...parts.map((part) => hashed.folded[part])), hash);
}
same(keyed("madoguchi-gate-supplier-v1", hashed.supplier.folded), hashed.supplier.tag);

same(sha256(standing.lines), standing.digest);
console.log("all vectors verify");
