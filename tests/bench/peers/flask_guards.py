"""One route of Flask behind the guard that LACRE_BENCH_GUARD names.

    gunicorn flask_guards:app

`none`; `original`: Flask-JWT-Extended with HS256; `blocklist`: the same with a list of revoked tokens in
Redis, as its documentation has it; `lacre`: ours, before accounts of lacre's own; `renamed`:
ours by the names of Flask-JWT-Extended. `GET /token` gives a token where the application makes them.
"""

import os

from flask import Flask

KIND = os.environ["LACRE_BENCH_GUARD"]
CLAIMS = {"roles": ["user"], "email": "ada@example.com"}

app = Flask(__name__)
names = ("LACRE_GATEWAY", "LACRE_URL", "LACRE_CLIENT_ID", "LACRE_CLIENT_SECRET")
app.config.update({name: os.environ.get("BENCH_" + name) for name in names})


def handler():
    return "Access Granted"


if KIND == "none":
    guard = lambda view: view  # noqa: E731
elif KIND == "lacre":
    from lacre.flask import session_required

    guard = session_required()
else:
    if KIND == "renamed":
        from lacre.flask_jwt_extended import JWTManager, create_access_token, jwt_required
    else:
        from flask_jwt_extended import JWTManager, create_access_token, get_jwt, jwt_required

    app.config["JWT_SECRET_KEY"] = "a secret that is long enough for HS256"
    manager = JWTManager(app)
    guard = jwt_required()
    make = lambda: create_access_token("ada", additional_claims=CLAIMS)  # noqa: E731
    if KIND == "blocklist":
        from redis import StrictRedis

        blocklist = StrictRedis.from_url(os.environ["BENCH_REDIS"], decode_responses=True)

        @manager.token_in_blocklist_loader
        def is_revoked(header, payload):
            return blocklist.get(payload["jti"]) is not None

        @app.post("/log-out")
        @guard
        def log_out():
            blocklist.set(get_jwt()["jti"], "", ex=get_jwt()["exp"] - get_jwt()["iat"])
            return ""


app.get("/guarded", endpoint="guarded")(guard(handler))
if KIND not in ("none", "lacre"):
    app.get("/token")(lambda: make())
