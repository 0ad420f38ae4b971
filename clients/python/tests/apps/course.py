"""The application that a Spanish course on Flask-JWT-Extended builds, written anew: users and roles of
its own, fresh tokens, refresh, a list of revoked tokens. `library` is the module to import.
"""

from functools import wraps
from importlib import import_module

from flask import Flask, jsonify, request
from werkzeug.security import check_password_hash, generate_password_hash

SAYS = {
    "protegido": "Acceso autorizado a contenido protegido",
    "admin": "Bienvenido al panel de administración",
}


class Usuario:
    def __init__(self, ident, correo, nombre, contraseña, roles, permisos):
        self.id, self.correo, self.nombre = ident, correo, nombre
        self.hash = generate_password_hash(contraseña, method="pbkdf2:sha256:1")
        self.rol, self.roles, self.permisos = roles[0], roles, permisos


def create_app(library, **settings):
    jwt = import_module(library)
    app = Flask("course")
    app.config.update(JWT_SECRET_KEY="clave_secreta_segura_y_bastante_larga", **settings)
    manager = jwt.JWTManager(app)
    usuarios = {
        "1": Usuario("1", "ada@example.com", "Ada", "contraseña-1", ["admin"], ["ver_datos"]),
        "2": Usuario("2", "eva@example.com", "Eva", "contraseña-2", ["editor"], []),
        "3": Usuario("3", "leo@example.com", "Leo", "contraseña-3", ["lector"], []),
    }
    revocados = set()

    @manager.expired_token_loader
    def token_expirado(cabecera, datos):
        return jsonify(mensaje="El token no es válido ya", error="token_expirado"), 401

    @manager.revoked_token_loader
    def token_revocado(cabecera, datos):
        return jsonify(mensaje="El token no es válido ya", error="token_expirado"), 401

    @manager.invalid_token_loader
    def token_invalido(error):
        return jsonify(mensaje="Token inválido", error="token_invalido"), 422

    @manager.unauthorized_loader
    def sin_autorizacion(mensaje):
        return jsonify(mensaje="Se requiere autenticación", detalle=mensaje), 401

    @manager.needs_fresh_token_loader
    def token_no_fresco(cabecera, datos):
        return jsonify(mensaje="Se requiere un token fresco"), 401

    @manager.token_in_blocklist_loader
    def esta_revocado(cabecera, datos):
        return datos["jti"] in revocados

    def claims(usuario):
        return {"rol": usuario.rol, "roles": usuario.roles, "permisos": usuario.permisos}

    def usuario_de(cuerpo):
        correo, contraseña = cuerpo.get("correo"), cuerpo.get("contraseña")
        usuario = next((one for one in usuarios.values() if one.correo == correo), None)
        if usuario and contraseña and check_password_hash(usuario.hash, contraseña):
            return usuario
        return None

    @app.post("/login")
    def login():
        cuerpo = request.get_json()
        if not cuerpo.get("correo") or not cuerpo.get("contraseña"):
            return jsonify(mensaje="Correo y contraseña son requeridos"), 400
        usuario = usuario_de(cuerpo)
        if usuario is None:
            return jsonify(mensaje="Credenciales inválidas"), 401
        token = jwt.create_access_token(identity=usuario.id, additional_claims=claims(usuario))
        return jsonify(token=token, refresh_token=jwt.create_refresh_token(identity=usuario.id))

    @app.post("/refresh")
    @jwt.jwt_required(refresh=True)
    def refresh():
        usuario = usuarios[jwt.get_jwt_identity()]
        token = jwt.create_access_token(identity=usuario.id, additional_claims=claims(usuario))
        return jsonify(token=token, refresh_token=jwt.create_refresh_token(identity=usuario.id))

    @app.post("/reauth")
    def reauth():
        usuario = usuario_de(request.get_json())
        if usuario is None:
            return jsonify(mensaje="Credenciales inválidas"), 401
        return jsonify(token=jwt.create_access_token(identity=usuario.id, fresh=True))

    @app.delete("/logout")
    @jwt.jwt_required()
    def logout():
        revocados.add(jwt.get_jwt()["jti"])
        return jsonify(mensaje="Hasta luego")

    @app.get("/perfil")
    @jwt.jwt_required()
    def perfil():
        usuario = usuarios[jwt.get_jwt_identity()]
        return jsonify(nombre=usuario.nombre, correo=usuario.correo)

    @app.get("/protegido")
    @jwt.jwt_required()
    def protegido():
        return jsonify(mensaje=SAYS["protegido"])

    @app.get("/informacion")
    @jwt.jwt_required(optional=True)
    def informacion():
        ident = jwt.get_jwt_identity()
        return jsonify(mensaje=f"Para {ident}" if ident else "Para visitantes")

    @app.put("/configuracion")
    @jwt.jwt_required(fresh=True)
    def configuracion():
        return jsonify(mensaje="Configuración actualizada")

    @app.get("/admin")
    @jwt.jwt_required()
    def admin():
        if jwt.get_jwt().get("rol") != "admin":
            return jsonify(mensaje="Acceso denegado: privilegios insuficientes"), 403
        return jsonify(mensaje=SAYS["admin"])

    def alguno(claim, admitidos, texto):
        def decorate(view):
            @wraps(view)
            def guarded(*args, **kwargs):
                jwt.verify_jwt_in_request()
                if not any(one in jwt.get_jwt().get(claim, []) for one in admitidos):
                    return jsonify(mensaje=f"Acceso denegado: {texto}"), 403
                return view(*args, **kwargs)

            return guarded

        return decorate

    @app.get("/reporte")
    @alguno("roles", ["admin", "editor"], "roles")
    def reporte():
        return jsonify(mensaje="Generando reporte...")

    @app.get("/datos-sensibles")
    @alguno("permisos", ["ver_datos"], "permisos")
    def datos():
        return jsonify(mensaje="Accediendo a datos sensibles")

    @app.get("/claims")
    @jwt.jwt_required()
    def ver_claims():
        told = jwt.get_jwt()
        names = ("sub", "rol", "permisos", "type", "fresh")
        kinds = {name: type(told[name]).__name__ for name in ("iat", "nbf", "exp", "jti")}
        return jsonify({name: told.get(name) for name in names}, told.get("roles") or [], kinds)

    return app
