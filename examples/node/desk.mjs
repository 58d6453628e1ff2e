// Requests to the partner API, signed with the report key; and the daily comparison of the books. See recipient.mjs.
//
//   MADOGUCHI_DESK               https://... the partner API
//   MADOGUCHI_RECONCILE_SECONDS  how often the books are compared; a day if it is not set

import { sign } from "node:crypto";
import { keyId } from "./recipient.mjs";

const base = (process.env.MADOGUCHI_DESK ?? "").replace(/\/$/, "");
const every = 1000 * Number(process.env.MADOGUCHI_RECONCILE_SECONDS ?? 24 * 3600);

/** What is signed: who, when, method, path with query, with line feeds between. */
export async function ask(me, method, path) {
  const at = String(Math.floor(Date.now() / 1000));
  const lines = ["madoguchi-request-v1", me.me, at, method, path].join("\n");
  const proof = sign(null, Buffer.from(lines), me.keys.requests).toString("base64");
  const response = await fetch(base + path, {
    method,
    headers: {
      "madoguchi-recipient": me.me,
      "madoguchi-timestamp": at,
      "madoguchi-signature": `${keyId(me.keys.reportPublic)},${proof}`,
    },
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) throw new Error(`the desk answers ${response.status}`);
  return { headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

/** Sends a signed report; the desk's answer, or null: send the same bytes again later. */
async function send(jws) {
  try {
    const response = await fetch(`${base}/partner/v1/reports`, {
      method: "POST",
      headers: { "content-type": "application/jose" },
      body: jws,
      signal: AbortSignal.timeout(30_000),
    });
    return response.status < 500 && response.status !== 429 ? await response.json() : null;
  } catch {
    return null;
  }
}

/** Sends what is signed and not yet answered, until the process ends. */
export async function reportForEver(me) {
  for (const jws of [...me.open]) {
    const answer = await send(jws);
    // The same bytes are sent again later.
    if (answer === null) break;
    me.answered(jws, answer);
  }
  setTimeout(reportForEver, 200, me);
}

/** The elements of a JSON array as the bytes that travelled: the digest of each is that of the instruction. */
export function elements(page) {
  const text = page.toString("utf8");
  const found = [];
  let depth = 0, start = 0, quoted = false;
  for (let at = 1; at < text.length; at++) {
    const c = text[at];
    if (quoted) {
      if (c === "\\") at++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === "{" && depth++ === 0) start = at;
    else if (c === "}" && --depth === 0) found.push(Buffer.from(text.slice(start, at + 1)));
  }
  return found;
}

/** Every page from a path on. What is known already is a repeat and changes nothing. */
async function takeIn(me, path) {
  while (path) {
    const { headers, body } = await ask(me, "GET", path);
    const bodies = elements(body);
    for (const one of bodies) await me.take(one).catch((error) => console.error("refused:", error.message));
    if (path.includes("snapshot")) path = headers.get("madoguchi-next");
    else path = bodies.length ? `/partner/v1/instructions?after=${headers.get("madoguchi-cursor")}` : null;
  }
}

/** Whether the books agree, after what is missing was taken in again; null: nothing to compare. */
export async function compare(me) {
  for (const mend of [true, false]) {
    const books = me.books();
    if (books === null) return null;
    const { cursor, digest, entries } = books;
    const path = `/partner/v1/acknowledgements?cursor=${cursor}&digest=${digest}&entries=${entries}`;
    const answer = JSON.parse((await ask(me, "POST", path)).body);
    if (answer.agrees || !mend) return answer.agrees;
    await takeIn(me, answer.replay);
    await takeIn(me, "/partner/v1/snapshot");
  }
}

/** As soon as there is something to compare, then once a day. */
export async function compareForEver(me) {
  if (!base) return;
  const agrees = await compare(me).catch(() => null);
  if (agrees !== null) console.log(agrees ? "books agree" : "the books differ: call the desk");
  setTimeout(compareForEver, agrees === null ? Math.min(every, 10_000) : every, me);
}
