"""The peer on jwcrypto: seals or opens tokens, one a line.

    jwcrypto_peer.py seal|open < lines

The first line is an object with the private JWKs of the session (`recipient`) and of the signer
(`signer`), the `kid` and the inner `typ`. `seal` takes claims and prints tokens; `open` takes
tokens and prints claims, or `null` for what it refuses.
"""

import json
import sys

from jwcrypto import jwe, jwk, jws

ALG, ENC = "ECDH-ES+A256KW", "A256CBC-HS512"


def seal(claims, recipient, signer, setting):
    inner = jws.JWS(json.dumps(claims).encode())
    header = {"alg": "ES256", "typ": setting["typ"], "kid": setting["signer"]["kid"]}
    inner.add_signature(signer, None, json.dumps(header), None)
    header = {"alg": ALG, "enc": ENC, "typ": "JWE", "cty": "JWT", "kid": setting["kid"]}
    outer = jwe.JWE(inner.serialize(compact=True).encode(), json.dumps(header))
    outer.add_recipient(recipient)
    return outer.serialize(compact=True)


def open_token(token, recipient, signer, setting):
    outer = jwe.JWE(algs=[ALG, ENC])
    outer.deserialize(token, key=recipient)
    inner = jws.JWS()
    inner.allowed_algs = ["ES256"]
    inner.deserialize(outer.payload.decode(), key=signer)
    if inner.jose_header["typ"] != setting["typ"]:
        raise ValueError("another kind")
    return json.loads(inner.payload)


def main():
    setting = json.loads(sys.stdin.readline())
    recipient, signer = (
        jwk.JWK(**setting["recipient"]),
        jwk.JWK(**setting["signer"]),
    )
    for line in sys.stdin:
        line = line.rstrip("\n")
        if sys.argv[1] == "seal":
            print(seal(json.loads(line), recipient, signer, setting))
            continue
        try:
            claims = open_token(line, recipient, signer, setting)
        except Exception:  # whatever it is, the peer refuses
            claims = None
        print(json.dumps(claims))


main()
