"""A recipient behind a webhook (Standard Webhooks 1.0.0), with the libraries of that project. See recipient.py.

  MADOGUCHI_WEBHOOK_SECRET  whsec_...   shared secrets, separated by spaces while one is changed
  MADOGUCHI_WEBHOOK_PUBLIC  whpk_...    public keys of the desk, the same way; optional
  MADOGUCHI_DESK            https://... the partner API, where reports go
  MADOGUCHI_LISTEN          127.0.0.1:8080
"""

import base64
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

import desk
import recipient

SECRETS = [Webhook(text) for text in os.environ["MADOGUCHI_WEBHOOK_SECRET"].split()]
PUBLIC = [
    Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix("whpk_")))
    for text in os.environ.get("MADOGUCHI_WEBHOOK_PUBLIC", "").split()
]
ME = recipient.from_environment()
WORK = threading.Event()


def believed(body: bytes, headers: dict) -> bool:
    """`v1` by the library, which also looks at the time; `v1a`, which the library does not know, by the public key."""
    for secret in SECRETS:
        try:
            secret.verify(body, headers, json_parse=False)
            break
        except WebhookVerificationError:
            continue
    else:
        return False
    if not PUBLIC:
        return True
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for part in headers["webhook-signature"].split(" "):
        version, _, text = part.partition(",")
        for key in PUBLIC if version == "v1a" else []:
            try:
                key.verify(base64.b64decode(text), content)
                return True
            except InvalidSignature:
                continue
    return False


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > recipient.BODY_MAX:
            self.close_connection = True
            return self.answer(413)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            if not believed(body, headers):
                return self.answer(401)
            ME.take(body)
        except recipient.Refused:
            return self.answer(422)
        except (ValueError, KeyError, TypeError):
            return self.answer(400)
        WORK.set()
        self.answer(204)

    def answer(self, status: int):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def report_for_ever():
    while True:
        for number, jws in ME.open_reports():
            answer = desk.send(jws)
            if answer is None:
                break
            ME.answered(number, answer)
        WORK.wait(1)
        WORK.clear()


if __name__ == "__main__":
    host, _, port = os.environ.get("MADOGUCHI_LISTEN", "127.0.0.1:8080").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Endpoint)
    threading.Thread(target=report_for_ever, daemon=True).start()
    threading.Thread(target=desk.compare_for_ever, args=[ME], daemon=True).start()
    print(f"listening on {host}:{server.server_port}", flush=True)
    server.serve_forever()
