"""The same handler in Flask, without a guard and behind one of jwcrypto, and tokens made on demand.

    gunicorn flask_jwcrypto:app

A service as one writes it with these libraries when each session has a key of its own: the private
key of a session lies in a file of its user's folder (written, and not synced), is read and parsed
for each request, and the token is a JWE with three claims and no inner signature. Less is
checked than by lacre: no expiry, issuer or revocation but by the file's absence. Users are in
SQLite, read by the standard library, which costs less than an object-relational mapper.

LACRE_BENCH_DATA is the folder of `users.sqlite` and of the keys.
"""

import json
import os
import sqlite3
from functools import wraps

from flask import Flask, jsonify, request
from jwcrypto import jwe, jwk

DATA = os.environ["LACRE_BENCH_DATA"]
HEADER = {"typ": "JWE", "alg": "ECDH-ES+A256KW", "enc": "A256CBC-HS512", "kid": "12"}

app = Flask(__name__)
users = sqlite3.connect(f"{DATA}/users.sqlite", check_same_thread=False)


def key_path(user, session):
    return os.path.join(DATA, "jwt", os.path.basename(user), os.path.basename(session))


@app.post("/getToken")
def get_token():
    asked = request.get_json()
    query = "SELECT id, email, role FROM users WHERE id = ?"
    user = users.execute(query, (asked["id"],)).fetchone()
    if user is None:
        return "Incorrect user", 401
    payload = json.dumps(dict(zip(("id", "email", "role"), user)))
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    session = asked["user_session"].split(".")[1]
    path = key_path(user[0], session)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(key.export(private_key=True).encode())
    public = jwk.JWK(**json.loads(key.export(private_key=False)))
    token = jwe.JWE(payload.encode(), recipient=public, protected=HEADER)
    return jsonify({"auth": token.serialize(compact=True), "crt": session}), 200


def token_required(handler):
    @wraps(handler)
    def guarded(**place):
        try:
            _, presented = request.headers["Authorization"].split()
            who = json.loads(place["who"])
            with open(key_path(who["id"], who["user_session"]), "rb") as file:
                key = jwk.JWK(**json.loads(file.read()))
            token = jwe.JWE(algs=["ECDH-ES+A256KW", "A256CBC-HS512"])
            token.deserialize(presented, key=key)
            json.loads(token.payload)
        except Exception:  # whatever it is, the guard refuses
            return "FAILED - Decryption failed", 403
        return handler()

    return guarded


def handler():
    return "Access Granted"


app.get("/plain", endpoint="plain")(handler)
app.get("/guarded/<who>", endpoint="guarded")(token_required(handler))
