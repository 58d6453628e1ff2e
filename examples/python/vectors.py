"""Verifies the published test vectors with the libraries that recipient.py uses: `python vectors.py vectors.json`."""

import base64
import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from standardwebhooks import Webhook

from recipient import Keys, b64url, key_id

V = json.load(open(sys.argv[1], encoding="utf-8"))
body = V["instruction"].encode()
raw = base64.b64decode

assert hashlib.sha256(body).hexdigest() == V["digest"]

sealing = V["sealing"]
keys = Keys(raw(V["report"]["EdDSA"]["secret"]), raw(sealing["secret"]))
assert keys.sealing_public == raw(sealing["public"]) and key_id(keys.sealing_public) == sealing["key_id"]
assert keys.open(json.loads(body)["id"], raw(sealing["sealed"])) == sealing["plaintext"]

report = V["report"]["EdDSA"]
assert keys.report_public == raw(report["public"])
verified = jws.deserialize_compact(report["jws"], keys.jwk, algorithms=["EdDSA"])
assert json.loads(verified.payload) == V["report"]["payload"]
assert verified.headers() == {"alg": "EdDSA", "kid": report["kid"], "typ": "madoguchi-report-v1+jws"}

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

report = V["report"]["ES256"]
point = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw(report["public"])).public_numbers()
jwk = {"kty": "EC", "crv": "P-256", "x": b64url(point.x.to_bytes(32, "big")), "y": b64url(point.y.to_bytes(32, "big"))}
verified = jws.deserialize_compact(report["jws"], ECKey.import_key(jwk), algorithms=["ES256"])
assert json.loads(verified.payload) == V["report"]["payload"] and key_id(raw(report["public"])) == report["kid"]

hook = V["webhook"]
sign = f"{hook['webhook-id']}.{hook['webhook-timestamp']}.".encode() + body
parts = dict(part.split(",", 1) for part in hook["webhook-signature"].split(" "))
from datetime import datetime, timezone
at = datetime.fromtimestamp(int(hook["webhook-timestamp"]), timezone.utc)
assert Webhook(hook["secret"]).sign(hook["webhook-id"], at, body.decode()) == "v1," + parts["v1"]
Ed25519PublicKey.from_public_bytes(raw(hook["public"].removeprefix("whpk_"))).verify(raw(parts["v1a"]), sign)

request = V["request"]
kid, _, text = request["EdDSA"].partition(",")
Ed25519PublicKey.from_public_bytes(keys.report_public).verify(raw(text), request["lines"].encode())
assert kid == key_id(keys.report_public)

# Keyed hashes: each rule's parts, folded, with their lengths; then HMAC under the gate key, the first 16 bytes.
hashed = V["keyed_hashes"]


def keyed(start: str, *texts: str) -> str:
    lengths = b"".join(len(text.encode()).to_bytes(2, "big") + text.encode() for text in texts)
    digest = hashlib.sha256(start.encode() + lengths).digest()
    return hmac.digest(raw(hashed["gate_key"]), digest, "sha256")[:16].hex()


for key in hashed["keys"]:
    parts = [hashed["folded"][part] for part in key["parts"]]
    assert keyed("madoguchi-gate-key-v1", key["rule"], *parts) == key["hash"], key["rule"]
assert keyed("madoguchi-gate-supplier-v1", hashed["supplier"]["folded"]) == hashed["supplier"]["tag"]
said = json.loads(hashed["instruction"])["data"]
assert "person" not in said and said["hashes"]["suppliers"] == [hashed["supplier"]["tag"]]
assert said["hashes"]["keys"] == [{"rule": key["rule"], "hash": key["hash"]} for key in hashed["keys"]]

assert hashlib.sha256(V["standing"]["lines"].encode()).hexdigest() == V["standing"]["digest"]
print("all vectors verify")
