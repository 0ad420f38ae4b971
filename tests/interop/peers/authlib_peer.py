"""Authlib as a client of the gateway.

Standard input: a JSON object of `base`, `issuer`, `id` and `secret`, then a JSON object a line. Standard output: for
each, what Authlib makes of it, as JSON.

    {"introspect": TOKEN, "method": M}   what the gateway says of a token
    {"revoke": TOKEN, "method": M}       the status of its end
    {"jwt": JWT, "audience": A}          the claims of a forwarded JWT, or the name of the error

M is `client_secret_basic` or `client_secret_post`.
"""

import json
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

setting = json.loads(sys.stdin.readline())
base = setting["base"]


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        return requests.get(base + "/.well-known/jwks.json").json()


def session(method):
    return OAuth2Session(setting["id"], setting["secret"], revocation_endpoint_auth_method=method,
                         token_endpoint_auth_method=method)


def jwt(text, audience):
    validator = Validator(setting["issuer"], audience)
    try:
        token = validator.authenticate_token(text)
        validator.validate_token(token, [], None)
        return dict(token)
    except Exception as error:
        return {"error": type(error).__name__}


for line in sys.stdin:
    asked = json.loads(line)
    if "jwt" in asked:
        answer = jwt(asked["jwt"], asked["audience"])
    elif "revoke" in asked:
        done = session(asked["method"]).revoke_token(base + "/oauth2/revoke", token=asked["revoke"])
        answer = {"status": done.status_code}
    else:
        told = session(asked["method"]).introspect_token(
            base + "/oauth2/introspect", token=asked["introspect"], token_type_hint="access_token"
        )
        answer = told.json()
    print(json.dumps(answer), flush=True)
