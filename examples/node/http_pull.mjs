// A recipient that asks instead of being told: long poll, take in, acknowledge by position, report. See recipient.mjs.
//
//   MADOGUCHI_DESK  https://... the partner API; see desk.mjs

import { ask, compareForEver, elements, reportForEver } from "./desk.mjs";
import { fromEnvironment, Malformed, Refused } from "./recipient.mjs";

const me = await fromEnvironment();

async function pull() {
  const { headers, body } = await ask(me, "GET", "/partner/v1/instructions?wait=20");
  const bodies = elements(body);
  for (const one of bodies) {
    try {
      await me.take(one);
    } catch (error) {
      // Anything else is a disk that refuses: nothing is acknowledged then, and all of it comes again.
      if (!(error instanceof Refused || error instanceof Malformed)) throw error;
      console.error("refused:", error.message);
    }
  }
  // Everything is written down: the desk goes on after it. Only the reports end an instruction.
  if (bodies.length) await ask(me, "POST", `/partner/v1/acknowledgements?cursor=${headers.get("madoguchi-cursor")}`);
}

console.log("asking");
reportForEver(me);
compareForEver(me);
for (;;) await pull().catch(() => new Promise((again) => setTimeout(again, 1000)));
