"""An application that keeps its tokens in cookies, as the documentation of Flask-JWT-Extended has it."""

from datetime import timedelta
from importlib import import_module

from flask import Flask, jsonify


def create_app(library, **settings):
    jwt = import_module(library)
    app = Flask("cookies")
    app.config.update(
        JWT_SECRET_KEY="a secret that is long enough for HMAC",
        JWT_TOKEN_LOCATION=["cookies", "query_string", "json"],
        JWT_COOKIE_SAMESITE="Lax",
        **settings,
    )
    jwt.JWTManager(app, add_context_processor=True)

    @app.post("/login")
    def login():
        answer = jsonify(login=True)
        access = jwt.create_access_token("ada", fresh=timedelta(minutes=5))
        jwt.set_access_cookies(answer, access)
        jwt.set_refresh_cookies(answer, jwt.create_refresh_token("ada"), max_age=3600)
        return answer

    @app.post("/refresh")
    @jwt.jwt_required(refresh=True)
    def refresh():
        answer = jsonify(refresh=True)
        jwt.set_access_cookies(answer, jwt.create_access_token(jwt.get_jwt_identity()))
        return answer

    @app.post("/logout")
    def logout():
        answer = jsonify(logout=True)
        jwt.unset_jwt_cookies(answer)
        return answer

    @app.route("/me", methods=["GET", "POST"])
    @jwt.jwt_required()
    def me():
        return jsonify(user=jwt.get_jwt_identity(), at=jwt.get_jwt_request_location())

    @app.post("/fresh")
    @jwt.jwt_required(fresh=True)
    def fresh():
        return jsonify(fresh=True)

    @app.get("/header")
    @jwt.jwt_required(locations="headers", optional=True)
    def header():
        return jsonify(user=jwt.get_jwt_identity(), at=jwt.get_jwt_request_location())

    return app
