"""Requests to the partner API, signed with the report key; and the daily comparison of the books. See recipient.py.

  MADOGUCHI_DESK               https://... the partner API
  MADOGUCHI_RECONCILE_SECONDS  how often the books are compared; a day if it is not set
"""

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import recipient

BASE = os.environ.get("MADOGUCHI_DESK", "").rstrip("/")
EVERY = float(os.environ.get("MADOGUCHI_RECONCILE_SECONDS", 24 * 3600))
KEY = Ed25519PrivateKey.from_private_bytes(base64.b64decode(os.environ["MADOGUCHI_REPORT_KEY"]))


class Away(Exception):
    """The desk does not answer: ask again later."""


def ask(me: recipient.Recipient, method: str, path: str):
    """Headers and body of the answer. What is signed: who, when, method, path with query, with line feeds between."""
    at = str(int(time.time()))
    lines = "\n".join(["madoguchi-request-v1", me.me, at, method, path])
    proof = base64.b64encode(KEY.sign(lines.encode())).decode()
    headers = {
        "madoguchi-recipient": me.me,
        "madoguchi-timestamp": at,
        "madoguchi-signature": f"{recipient.key_id(me.keys.report_public)},{proof}",
    }
    request = urllib.request.Request(BASE + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.headers, response.read()
    except OSError as error:  # an HTTPError is one too
        raise Away(str(error)) from error


def send(jws: str) -> dict | None:
    """Sends a signed report; the desk's answer, or None: send the same bytes again later."""
    request = urllib.request.Request(
        BASE + "/partner/v1/reports", data=jws.encode(), headers={"content-type": "application/jose"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error) if error.code < 500 and error.code != 429 else None
    except OSError:
        return None


def elements(page: bytes) -> list[bytes]:
    """The elements of a JSON array as the bytes that travelled: the digest of each is that of the instruction."""
    text, decoder, found, at = page.decode(), json.JSONDecoder(), [], 1
    while at < len(text) and text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end + 1
    return found


def take_in(me: recipient.Recipient, path: str) -> None:
    """Every page from a path on. What is known already is a repeat and changes nothing."""
    while path:
        headers, page = ask(me, "GET", path)
        bodies = elements(page)
        for body in bodies:
            try:
                me.take(body)
            except (recipient.Refused, ValueError, KeyError, TypeError) as error:
                print("refused:", error, file=sys.stderr, flush=True)
        if "snapshot" in path:
            path = headers.get("madoguchi-next")
        else:
            path = f"/partner/v1/instructions?after={headers['madoguchi-cursor']}" if bodies else None


def compare(me: recipient.Recipient) -> bool | None:
    """Whether the books agree, after what is missing was taken in again; None: nothing to compare, or the desk is away."""
    try:
        for mend in (True, False):
            books = me.books()
            if books is None:
                return None
            cursor, digest, entries = books
            path = f"/partner/v1/acknowledgements?cursor={cursor}&digest={digest}&entries={entries}"
            answer = json.loads(ask(me, "POST", path)[1])
            if answer["agrees"] or not mend:
                return answer["agrees"]
            take_in(me, answer["replay"])
            take_in(me, "/partner/v1/snapshot")
    except Away:
        return None


def compare_for_ever(me: recipient.Recipient) -> None:
    """As soon as there is something to compare, then once a day."""
    while BASE:
        agrees = compare(me)
        if agrees is not None:
            print("books agree" if agrees else "the books differ: call the desk", flush=True)
        time.sleep(EVERY if agrees is not None else min(EVERY, 10))
