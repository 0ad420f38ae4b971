"""The API that a Brazilian series on Flask builds, written anew: users of its own by e-mail, an
administrator's pages, answers with `status`, `message`, `resource`, and refusals with a `sub_status`.
"""

from importlib import import_module

from flask import Flask, jsonify, request
from flask.views import MethodView

INVALID = "As credenciais estão inválidas para log in."


class User:
    def __init__(self, email, full_name, password, admin=False, active=True):
        self.email, self.full_name, self.password = email, full_name, password
        self.admin, self.active = admin, active

    def dump(self):
        return {"active": self.active, "email": self.email, "full_name": self.full_name}


def create_app(library, **settings):
    jwt = import_module(library)
    app = Flask("api-users")
    app.config.update(SECRET_KEY="uma string randômica e gigante, de verdade", **settings)
    manager = jwt.JWTManager(app)
    users = {
        one.email: one
        for one in (
            User("root@example.com", "Raiz", "senha-1", admin=True),
            User("teste@example.com", "Teste Sobrenome", "senha-2"),
            User("saiu@example.com", "Saiu", "senha-3", active=False),
        )
    }

    def refusal(status, sub_status, message, **more):
        return jsonify(status=status, sub_status=sub_status, message=message, **more), status

    @manager.user_identity_loader
    def identity(user):
        return user.email if isinstance(user, User) else user

    @manager.additional_claims_loader
    def add_claims(user):
        return {"active": user.active, "role": "admin" if user.admin else "user"}

    @manager.user_lookup_loader
    def lookup(header, data):
        return users.get(data["sub"])

    @manager.expired_token_loader
    def expired(header, data):
        return refusal(401, 42, "Token expirou.")

    @manager.unauthorized_loader
    def unauthorized(why):
        return refusal(401, 1, INVALID, description=why)

    @manager.invalid_token_loader
    def invalid(why):
        return refusal(401, 3, INVALID)

    @manager.needs_fresh_token_loader
    def stale(header, data):
        return refusal(401, 4, INVALID)

    @manager.revoked_token_loader
    def revoked(header, data):
        return refusal(401, 5, INVALID)

    @manager.user_lookup_error_loader
    def unknown_user(header, data):
        return refusal(401, 7, INVALID)

    @manager.token_verification_loader
    def verifies(header, data):
        return data.get("active", False)

    @manager.token_verification_failed_loader
    def unverified(header, data):
        return refusal(401, 9, INVALID)

    def ok(resource, message, data, **extras):
        return jsonify(status=200, message=message, resource=resource, data=data, **extras)

    class Auth(MethodView):
        def post(self):
            sent = request.get_json(silent=True) or {}
            user = users.get(sent.get("email"))
            if user is None:
                return refusal(404, 6, "Usuário não existe.")
            if user.password != sent.get("password"):
                return jsonify(status=401, resource="Auth", message="Permissão negada."), 401
            extras = {
                "token": jwt.create_access_token(identity=user),
                "refresh": jwt.create_refresh_token(identity=user),
            }
            return ok("Auth", "Token criado.", user.dump(), **extras)

    class Refresh(MethodView):
        @jwt.jwt_required(refresh=True)
        def post(self):
            user = jwt.current_user
            extras = {
                "token": jwt.create_access_token(identity=users[user.email]),
                "refresh": jwt.create_refresh_token(identity=users[user.email]),
            }
            return ok("Auth", "Token criado.", user.dump(), **extras)

    class Users(MethodView):
        decorators = (jwt.jwt_required(),)

        def get(self, email=None):
            if not jwt.current_user.admin:
                return jsonify(status=401, resource="Users", message="Permissão negada."), 401
            if email is None:
                return ok("Users", "Usuários retornado(a).", [one.dump() for one in users.values()])
            if email not in users:
                return refusal(404, 6, "Usuário não existe.")
            return ok("Users", "Usuários retornado(a).", users[email].dump())

        def delete(self, email):
            if not jwt.current_user.admin:
                return jsonify(status=401, resource="Users", message="Permissão negada."), 401
            del users[email]
            return ok("Users", "Usuário deletado(a).", None)

    app.add_url_rule("/auth", view_func=Auth.as_view("auth"))
    app.add_url_rule("/auth/refresh", view_func=Refresh.as_view("refresh"))
    app.add_url_rule("/admin/users", view_func=Users.as_view("users"))
    app.add_url_rule("/admin/users/<email>", view_func=Users.as_view("user"))
    return app
