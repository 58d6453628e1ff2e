// A recipient (通知先) in JavaScript: verifies, opens, applies, reports. The transports are in webhook.mjs,
// nats_pull.mjs and http_pull.mjs; desk.mjs compares the books with the desk once a day.
//
// Order, and why: look -> open -> journal, synced -> acknowledge -> report. A crash at any point leaves either nothing (the
// instruction comes again) or lines in the journal (the report is sent after the restart). Reports are signed once and kept,
// so that a repeat has the same bytes and gets the first answer.
//
// Settings, from the environment: MADOGUCHI_RECIPIENT, MADOGUCHI_REPORT_KEY (Ed25519) and MADOGUCHI_SEALING_KEY (X25519),
// 32 secret bytes in base64 each; MADOGUCHI_BOOKS, the journal's file. Only where the contract says keyed hashes:
// MADOGUCHI_OWN_HASHES, a file with the hashes of your own rows, one `rule hash` a line, made by the gate's rules under your
// gate key when the rows came in (vectors.mjs shows how).

import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { HTTP } from "cloudevents";
import { CompactSign, importJWK } from "jose";

export const BODY_MAX = 64 * 1024;
const INSTRUCTION = "jp.madoguchi.recipient.instruction.v1";
const TEST = "jp.madoguchi.recipient.test.v1";
const TYP = "madoguchi-report-v1+jws";
const SUITE = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const INFO = new TextEncoder().encode("madoguchi seal v1");

/** Not for this recipient, or not to be opened: never applied; call the desk. */
export class Refused extends Error {}
/** Not an instruction. */
export class Malformed extends Error {}

/** The public half of 32 secret bytes; `type` is `ed25519` or `x25519`. */
function publicOf(type, secret) {
  const prefix = { ed25519: "302e020100300506032b657004220420", x25519: "302e020100300506032b656e04220420" }[type];
  const key = createPrivateKey({ key: Buffer.concat([Buffer.from(prefix, "hex"), secret]), format: "der", type: "pkcs8" });
  return Buffer.from(createPublicKey(key).export({ format: "jwk" }).x, "base64url");
}

/** The first 8 bytes of the SHA-256 of the key's bytes, in hexadecimal. */
export const keyId = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

export class Keys {
  static async from(report, sealing) {
    const keys = new Keys();
    keys.reportPublic = publicOf("ed25519", report);
    keys.sealingPublic = publicOf("x25519", sealing);
    const jwk = { kty: "OKP", crv: "Ed25519", d: report.toString("base64url"), x: keys.reportPublic.toString("base64url") };
    keys.signing = await importJWK(jwk, "EdDSA");
    keys.requests = createPrivateKey({ key: jwk, format: "jwk" });
    keys.sealing = await SUITE.kem.importKey("raw", new Uint8Array(sealing).buffer, false);
    return keys;
  }

  /** HPKE base mode: one version byte 1, 32 bytes of encapsulated key, ciphertext; bound to the instruction's id. */
  async open(instruction, sealed) {
    if (sealed.length < 33 || sealed[0] !== 1) throw new Refused("not sealed in version 1");
    const bytes = new Uint8Array(sealed);
    const aad = new Uint8Array(Buffer.from(instruction.replaceAll("-", ""), "hex"));
    try {
      const context = await SUITE.createRecipientContext({
        recipientKey: this.sealing,
        enc: bytes.slice(1, 33).buffer,
        info: INFO.buffer,
      });
      const plain = await context.open(bytes.slice(33).buffer, aad.buffer);
      return JSON.parse(new TextDecoder().decode(plain));
    } catch (cause) {
      throw new Refused("the identifiers do not open with this key", { cause });
    }
  }

  /** A compact JWS whose header is exactly alg, kid and typ. */
  sign(report) {
    const header = { alg: "EdDSA", kid: keyId(this.reportPublic), typ: TYP };
    return new CompactSign(new TextEncoder().encode(JSON.stringify(report))).setProtectedHeader(header).sign(this.signing);
  }
}

export class Recipient {
  constructor(me, keys, path, own = new Set()) {
    Object.assign(this, { me, keys, own, seen: new Set(), stopped: new Map(), positions: new Map(), open: [], line: Promise.resolve() });
    if (existsSync(path)) {
      const text = readFileSync(path);
      // A line that a crash cut off was never acknowledged: it comes again.
      const whole = text.lastIndexOf("\n") + 1;
      truncateSync(path, whole);
      for (const line of text.subarray(0, whole).toString().split("\n")) if (line) this.note(JSON.parse(line));
    }
    this.file = openSync(path, "a");
  }

  note(line) {
    if (line.taken) {
      const { id, entry, version, measure, scope, epoch, position, applied } = line.taken;
      this.seen.add(id);
      if (applied && entry) this.stopped.set(entry, { version, measure, scope });
      if (position) this.positions.set(epoch, (this.positions.get(epoch) ?? new Set()).add(position));
      this.open.push(...line.taken.reports);
    } else {
      this.open = this.open.filter((jws) => jws !== line.answered);
    }
  }

  write(line) {
    writeSync(this.file, JSON.stringify(line) + "\n");
    fsyncSync(this.file);
    this.note(line);
  }

  /** Takes the instruction's bytes exactly as received: `new`, `stale` or `repeat`. One after the other. */
  take(body) {
    const taken = this.line.then(() => this.takeOne(body));
    this.line = taken.catch(() => {});
    return taken;
  }

  async takeOne(body) {
    let event;
    try {
      event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body: body.toString("utf8") });
    } catch (cause) {
      throw new Malformed("not a CloudEvent", { cause });
    }
    const data = event?.data;
    if (event?.type === TEST) return this.test(event, data, body);
    if (event?.type !== INSTRUCTION || typeof data !== "object") throw new Malformed("not an instruction");
    // The audience stands inside what is signed: an instruction that strayed is seen as such.
    if (data.audience !== this.me || event.subject !== this.me) throw new Refused("for another recipient");
    if (this.seen.has(event.id)) return "repeat";
    const person = await this.person(event, data);
    const applied = !(this.stopped.get(data.entry)?.version >= data.entry_version);
    // A later version takes the place of what this one says of the entry, but never of an erasure.
    const acts = applied || data.measure === "erase";
    // `erase.everything`: your certification has ended, and everything that was entrusted goes. There is no person in it.
    if (acts) await this.apply(data.erase?.everything ? undefined : person, data);
    // By contract there are keyed hashes instead of names: whoever has one in common is meant, or may be.
    const key = acts && data.hashes?.keys.find(({ rule, hash }) => this.own.has(`${rule} ${hash}`));
    if (key) console.log("a row of ours is stopped by", key.rule);
    const digest = createHash("sha256").update(body).digest("hex");
    const base = { instruction: event.id, recipient: this.me, digest, time: new Date().toISOString() };
    const done = { ...base, stage: "reported", outcome: "applied" };
    if (data.measure === "erase") {
      done.book_entry = `book-${data.position}`;
      // What goes is in `classes`, what must stay in `keep`: this example holds none of the latter, and no backups.
      const items = data.erase?.classes ?? ["all"];
      const where = { system: "example", on: base.time.slice(0, 10), method: "overwritten" };
      done.erasures = [{ ...where, items, no_backups: true, kept: ["none-held"] }];
    }
    const reports = [await this.keys.sign({ ...base, stage: "received" }), await this.keys.sign(done)];
    const { entry, entry_version: version, measure, scope, epoch, position } = data;
    this.write({ taken: { id: event.id, entry, version, measure, scope, epoch, position, applied, reports } });
    return acts ? "new" : "stale";
  }

  /** The identifiers; empty where the contract says keyed hashes: there is nothing to open then. */
  async person(event, data) {
    if (data.hashes) return {};
    if (typeof data.person !== "string") throw new Malformed("not an instruction");
    if (data.sealed_to !== keyId(this.keys.sealingPublic)) throw new Refused("sealed to another key");
    return this.keys.open(event.id, Buffer.from(data.person, "base64"));
  }

  /** The desk tries the endpoint before it is used, about an invented person: nothing is applied, and the answer shows that
   *  this recipient verified, opened, and reports. */
  async test(event, data, body) {
    if (data?.audience !== this.me || event.subject !== this.me) throw new Refused("for another recipient");
    if (this.seen.has(event.id)) return "test";
    await this.person(event, data);
    const digest = createHash("sha256").update(body).digest("hex");
    const report = { instruction: event.id, recipient: this.me, digest, stage: "received", time: new Date().toISOString() };
    this.write({ taken: { id: event.id, reports: [await this.keys.sign(report)] } });
    return "test";
  }

  /** Cursor, digest and count of what stands, to compare with the desk's; null while a position is missing. */
  books() {
    if (this.positions.size === 0) return null;
    const epoch = Math.max(...this.positions.keys());
    const taken = this.positions.get(epoch);
    const last = Math.max(...taken);
    if (last !== taken.size) return null;
    const hash = createHash("sha256");
    for (const entry of [...this.stopped.keys()].sort()) {
      const { version, measure, scope } = this.stopped.get(entry);
      hash.update(`${entry} ${version} ${measure} ${scope}\n`);
    }
    return { cursor: `${epoch}.${last}`, digest: hash.digest("hex"), entries: this.stopped.size };
  }

  /**
   * Here your own system stops using what it holds of this person, whatever the measure: suspend also leaves current builds
   * alone until resume or erase, and resume lifts no stop. It may be called twice after a crash.
   */
  async apply(_person, _data) {}

  answered(jws, answer) {
    this.write({ answered: jws });
    if (answer.result === "refused") console.error("the desk refused a report:", answer.reason);
  }
}

export async function fromEnvironment() {
  const secret = (name) => Buffer.from(process.env[name] ?? "", "base64");
  const keys = await Keys.from(secret("MADOGUCHI_REPORT_KEY"), secret("MADOGUCHI_SEALING_KEY"));
  const { MADOGUCHI_RECIPIENT: me, MADOGUCHI_BOOKS: books = "journal.ndjson", MADOGUCHI_OWN_HASHES: own } = process.env;
  return new Recipient(me, keys, books, new Set(own ? readFileSync(own, "utf8").split("\n").filter(Boolean) : []));
}
