"""A recipient (通知先) in Python: verifies, opens, applies, reports. The transports are in
webhook.py, nats_pull.py and http_pull.py; desk.py compares the books with the desk once a day.

Order, and why: look -> open -> books, committed -> acknowledge -> report. A crash at any point leaves either nothing (the
instruction comes again) or a row in the books (the report is sent after the restart). Reports are signed once and kept, so
that a repeat has the same bytes and gets the first answer.

Settings, from the environment:

  MADOGUCHI_RECIPIENT    the id that the desk gave to you
  MADOGUCHI_REPORT_KEY   Ed25519, 32 secret bytes in base64        `python recipient.py keys` makes both and prints
  MADOGUCHI_SEALING_KEY  X25519, 32 secret bytes in base64         what the desk registers
  MADOGUCHI_BOOKS        file of the books (SQLite)
  MADOGUCHI_OWN_HASHES   only where the contract says keyed hashes: the hashes of your own rows, one `rule hash` a line, made by
                         the gate's rules under your gate key when the rows came in (vectors.py shows how)
"""

import base64
import hashlib
import json
import os
import sqlite3
import sys
import threading
import uuid
from datetime import datetime, timezone

from cloudevents.core.formats.json import JSONFormat
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc import jws
from joserfc.jwk import OKPKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

BODY_MAX = 64 * 1024
INSTRUCTION = "jp.madoguchi.recipient.instruction.v1"
TEST = "jp.madoguchi.recipient.test.v1"
TYP = "madoguchi-report-v1+jws"
SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)


class Refused(Exception):
    """Not for this recipient, or not to be opened: never applied; call the desk."""


def public_of(key) -> bytes:
    return key.public_key().public_bytes_raw()


def key_id(public: bytes) -> str:
    """The first 8 bytes of the SHA-256 of the key's bytes, in hexadecimal."""
    return hashlib.sha256(public).digest()[:8].hex()


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Keys:
    def __init__(self, report: bytes, sealing: bytes):
        self.report_secret = report
        self.report_public = public_of(Ed25519PrivateKey.from_private_bytes(report))
        self.sealing_public = public_of(X25519PrivateKey.from_private_bytes(sealing))
        self.sealing = KEMKey.from_jwk(
            {"kty": "OKP", "crv": "X25519", "d": b64url(sealing), "x": b64url(self.sealing_public)}
        )
        self.jwk = OKPKey.import_key(
            {"kty": "OKP", "crv": "Ed25519", "d": b64url(report), "x": b64url(self.report_public)}
        )

    def open(self, instruction: str, sealed: bytes) -> dict:
        """HPKE base mode: one version byte 1, 32 bytes of encapsulated key, ciphertext; bound to the instruction's id."""
        if len(sealed) < 33 or sealed[0] != 1:
            raise Refused("not sealed in version 1")
        context = SUITE.create_recipient_context(sealed[1:33], self.sealing, info=b"madoguchi seal v1")
        try:
            return json.loads(context.open(sealed[33:], aad=uuid.UUID(instruction).bytes))
        except Exception as error:
            raise Refused("the identifiers do not open with this key") from error

    def sign(self, report: dict) -> str:
        """A compact JWS whose header is exactly alg, kid and typ."""
        header = {"alg": "EdDSA", "kid": key_id(self.report_public), "typ": TYP}
        return jws.serialize_compact(header, json.dumps(report).encode(), self.jwk, algorithms=["EdDSA"])


class Recipient:
    def __init__(self, me: str, keys: Keys, books: str, own: str | None = None):
        self.me, self.keys = me, keys
        self.own = {tuple(line.split()) for line in open(own, encoding="ascii")} if own else set()
        self.lock = threading.Lock()
        self.db = sqlite3.connect(books, check_same_thread=False)
        self.db.executescript(
            """
            pragma journal_mode = wal;
            pragma synchronous = full;
            create table if not exists instruction (
                id text primary key, epoch int, position int, entry text, version int, body blob);
            create unique index if not exists position on instruction (epoch, position);
            create table if not exists stopped (
                entry text primary key, version int, measure text, scope text, kana text, birth_date text);
            create table if not exists stopped_hash (rule text, hash text, entry text, primary key (rule, hash, entry));
            create table if not exists report (
                number integer primary key, instruction text, jws text, answer text);
            """
        )

    def take(self, body: bytes) -> str:
        """Takes the instruction's bytes exactly as received: `new`, `stale` or `repeat`. Returns when it is written down."""
        if len(body) > BODY_MAX:
            raise ValueError("too large")
        try:
            event = JSONFormat().read(None, body)
            data = event.get_data()
        except Exception as error:  # the library has several of its own, and lets those of json through
            raise ValueError("not a CloudEvent") from error
        if event.get_type() == TEST:
            return self.test(event, data, body)
        if event.get_type() != INSTRUCTION:
            raise ValueError("not an instruction")
        # The audience stands inside what is signed: an instruction that strayed is seen as such.
        if data["audience"] != self.me or event.get_subject() != self.me:
            raise Refused("for another recipient")
        with self.lock, self.db:
            if self.db.execute("select 1 from instruction where id = ?", [event.get_id()]).fetchone():
                return "repeat"
            person = self.person(event, data)
            now = self.db.execute("select version from stopped where entry = ?", [data["entry"]]).fetchone()
            stale = now is not None and now[0] >= data["entry_version"]
            erase = data.get("erase") or {}
            if erase.get("everything"):
                # Your certification has ended: everything that was entrusted to you goes, of everybody. There is no person in it.
                self.db.execute("update stopped set measure = 'erase'")
            elif not stale:
                # Here your own system stops using what it holds of this person, whatever the measure: suspend also leaves
                # current builds alone until resume or erase, and resume lifts no stop.
                self.db.execute(
                    "insert or replace into stopped values (?, ?, ?, ?, ?, ?)",
                    [data["entry"], data["entry_version"], data["measure"], data["scope"],
                     person.get("kana"), person.get("birth-date")],
                )
                # By contract there are keyed hashes instead of names: whoever has one in common is meant, or may be.
                keys = [(key["rule"], key["hash"]) for key in data.get("hashes", {}).get("keys", [])]
                self.db.executemany("insert or ignore into stopped_hash values (?, ?, ?)",
                                    [(*key, data["entry"]) for key in keys])
                for rule, _ in [key for key in keys if key in self.own][:1]:
                    print("a row of ours is stopped by", rule, flush=True)
            elif data["measure"] == "erase":
                # A later version took the place of what this one says of the entry, but not of the erasure: your own system
                # erases here as it does above.
                stale = False
            self.db.execute(
                "insert into instruction values (?, ?, ?, ?, ?, ?)",
                [event.get_id(), data["epoch"], data["position"], data["entry"], data["entry_version"], body],
            )
            digest = hashlib.sha256(body).hexdigest()
            for more in ({"stage": "received"}, {"stage": "reported", "outcome": "applied"}):
                report = {
                    "instruction": event.get_id(),
                    "recipient": self.me,
                    "digest": digest,
                    **more,
                    "time": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
                }
                if data["measure"] == "erase" and more["stage"] == "reported":
                    today = datetime.now(timezone.utc).date().isoformat()
                    report["book_entry"] = f"book-{data['position']}"
                    # What goes is in `classes`, what must stay in `keep`: this example holds none of the latter, and no backups.
                    report["erasures"] = [
                        {"system": "example", "on": today, "method": "overwritten", "items": erase.get("classes", ["all"]),
                         "no_backups": True, "kept": ["none-held"]}
                    ]
                self.db.execute(
                    "insert into report (instruction, jws) values (?, ?)", [event.get_id(), self.keys.sign(report)]
                )
            return "stale" if stale else "new"

    def person(self, event, data: dict) -> dict:
        """The identifiers; empty where the contract says keyed hashes: there is nothing to open then."""
        if "hashes" in data:
            return {}
        if data["sealed_to"] != key_id(self.keys.sealing_public):
            raise Refused("sealed to another key")
        return self.keys.open(event.get_id(), base64.b64decode(data["person"]))

    def test(self, event, data: dict, body: bytes) -> str:
        """The desk tries the endpoint before it is used, about an invented person: nothing is applied, and the answer shows
        that this recipient verified, opened, and reports."""
        if data["audience"] != self.me or event.get_subject() != self.me:
            raise Refused("for another recipient")
        self.person(event, data)
        report = {
            "instruction": event.get_id(),
            "recipient": self.me,
            "digest": hashlib.sha256(body).hexdigest(),
            "stage": "received",
            "time": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
        }
        with self.lock, self.db:
            if not self.db.execute("select 1 from report where instruction = ?", [event.get_id()]).fetchone():
                self.db.execute(
                    "insert into report (instruction, jws) values (?, ?)", [event.get_id(), self.keys.sign(report)]
                )
        return "test"

    def books(self) -> tuple | None:
        """Cursor, digest and count of what stands, to compare with the desk's; None while a position is missing."""
        with self.lock:
            epoch = self.db.execute("select max(epoch) from instruction").fetchone()[0]
            last, count = self.db.execute(
                "select max(position), count(*) from instruction where epoch = ?", [epoch]
            ).fetchone()
            rows = self.db.execute("select entry, version, measure, scope from stopped order by entry").fetchall()
        if epoch is None or last != count:
            return None
        lines = "".join(f"{entry} {version} {measure} {scope}\n" for entry, version, measure, scope in rows)
        return f"{epoch}.{last}", hashlib.sha256(lines.encode()).hexdigest(), len(rows)

    def open_reports(self) -> list:
        """Reports without an answer, in the order in which they were signed."""
        with self.lock:
            return self.db.execute("select number, jws from report where answer is null order by number").fetchall()

    def answered(self, number: int, answer: dict) -> None:
        with self.lock, self.db:
            self.db.execute("update report set answer = ? where number = ?", [json.dumps(answer), number])
        if answer.get("result") == "refused":
            print("the desk refused a report:", answer.get("reason"), file=sys.stderr, flush=True)


def from_environment() -> Recipient:
    secret = lambda name: base64.b64decode(os.environ[name])
    keys = Keys(secret("MADOGUCHI_REPORT_KEY"), secret("MADOGUCHI_SEALING_KEY"))
    books, own = os.environ.get("MADOGUCHI_BOOKS", "books.sqlite"), os.environ.get("MADOGUCHI_OWN_HASHES")
    return Recipient(os.environ["MADOGUCHI_RECIPIENT"], keys, books, own)


if __name__ == "__main__" and sys.argv[1:] == ["keys"]:
    report, sealing = os.urandom(32), os.urandom(32)
    show = lambda raw: base64.b64encode(raw).decode()
    made = Keys(report, sealing)
    print(f"MADOGUCHI_REPORT_KEY={show(report)}\nMADOGUCHI_SEALING_KEY={show(sealing)}")
    print(f"# for the desk: report key {show(made.report_public)}, sealing key {show(made.sealing_public)}")
