"""The front end of the application that seals a token for each user, as its page lets one write it.

The name of a session is the middle part of a Flask session cookie, made here by itsdangerous as Flask does.
"""

import json
from urllib.parse import quote

import requests
from itsdangerous import URLSafeTimedSerializer
from jwcrypto import jwe, jwk
from jwcrypto.common import json_decode

from said import done, due, given, members, url

client = (given["client"], given["secret"])
cookies = URLSafeTimedSerializer("a secret of that application", salt="cookie-session")
user_session = cookies.dumps({"user": 7})


def get_token(session, id="7", auth=client):
    return requests.post(f"{url}/getToken", json={"id": id, "user_session": session}, auth=auth)


def resource(token, id="7", session=None):
    # The route is `/user/<id>`, and its id is JSON.
    path = quote(json.dumps({"id": id, "user_session": session or crt}), safe="")
    headers = {"Authorization": "Bearer " + token} if token else {}
    return requests.get(f"{url}/user/{path}", headers=headers)


answer = members(get_token(user_session), 200, ["auth", "crt"])
token, crt = answer["auth"], answer["crt"]
assert crt == user_session.split(".")[1], crt

# The same algorithms as in the page, and nothing in it that its bearer could read.
sealed = jwe.JWE()
sealed.deserialize(token)
header = json_decode(sealed.objects["protected"])
assert (header["alg"], header["enc"]) == ("ECDH-ES+A256KW", "A256CBC-HS512"), header
stranger = jwk.JWK.generate(kty="EC", crv="P-256")
try:
    sealed.decrypt(stranger)
    raise SystemExit("a key of somebody else has opened the token")
except jwe.InvalidJWEData:
    pass

user = {"id": "7", "email": "user7@example.com", "role": "editor"}
failed = "FAILED - Decryption failed"
due(resource(token), 200, user)
due(resource(token, session=user_session), 200, user)
due(resource(token, id="8"), 403, failed)
due(resource(token, session="another"), 403, failed)
due(resource(token[:-2]), 403, failed)
due(resource("noise"), 403, failed)
due(get_token(user_session, id="nobody"), 401, "Incorrect user")
assert get_token(user_session, auth=None).status_code == 401
assert resource(None).status_code == 401

# Another session of the same user has a key of its own.
payload, made_at, signature = user_session.split(".")
other = members(get_token(f"{payload}.{made_at}x.{signature}"), 200, ["auth", "crt"])
due(resource(other["auth"], session=other["crt"]), 200, user)
due(resource(token), 200, user)

# Asking again makes the token of before worthless.
again = members(get_token(user_session), 200, ["auth", "crt"])["auth"]
due(resource(token), 403, failed)
due(resource(again), 200, user)

# What that service fell over is a clear error.
for bad in ["", "no dots", "..", "a.../../etc/passwd.c", "a." + "b" * 5000 + ".c"]:
    answer = get_token(bad)
    assert answer.status_code == 400 and answer.text.endswith("."), (bad[:20], answer.text)
assert get_token("b" * 65536).status_code == 413

assert requests.post(f"{url}/logout", headers={"Authorization": "Bearer " + again}).status_code == 204
due(resource(again), 403, failed)
done()
