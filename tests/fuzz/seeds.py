"""Writes small seed corpora beside this file: those of `seeds`, some that are made here, and the
test vectors from where they are.

    seeds.py [VECTORS]
"""

import base64
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).parent
STAGES = "claims inner_header signature jws padding kdf encrypted_key epk header iv".split()
CLAIMS = {
    "iss": "https://issuer.test", "sub": "u1", "aud": "api", "iat": 1799999990,
    "exp": 1800000600, "jti": "t1", "sid": "h-1", "gen": 1, "roles": ["user"], "fresh": True,
}


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def stage(name, data):
    put("stages", name, bytes([STAGES.index(name)]) + data)


for folder in sorted((HERE / "seeds").iterdir()):
    shutil.copytree(folder, HERE / "corpus" / folder.name, dirs_exist_ok=True)

claims = json.dumps(CLAIMS).encode()
stage("claims", claims)
stage("inner_header", b'{"alg":"ES256","typ":"at+jwt","kid":"k"}')
stage("signature", bytes(range(64)))
stage("jws", b"e30.e30." + b"A" * 86)
stage("padding", b"\x10" * 16)
stage("encrypted_key", bytes(72))
coordinate = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
epk = {"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate}
stage("epk", json.dumps(epk).encode())
header = {
    "alg": "ECDH-ES+A256KW", "enc": "A256CBC-HS512", "typ": "JWE", "cty": "JWT", "kid": "h-1",
    "epk": epk,
}
stage("header", json.dumps(header).encode())
stage("iv", bytes(16))
put("json", "claims", claims)
put("json", "header", json.dumps(header).encode())
put("json", "nested", b'{"a":' + b"[" * 31 + b"]" * 31 + b"}")
put("json", "escapes", rb'{"\u0061":"\ud83d\ude00","b":[1,-2,0.5,1e3,true,null]}')
put("token", "dots", b"e30." + b"A" * 96 + b"." + b"A" * 22 + b"." + b"A" * 64 + b"." + b"A" * 43)

vectors = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
if vectors and vectors.is_dir():
    for path in sorted((vectors / "profile").glob("*.json")):
        for number, test in enumerate(json.loads(path.read_text())["tests"][:4]):
            put("token", f"{path.stem}-{number}", test["token"].encode())
