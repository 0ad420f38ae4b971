"""A client of the course on Flask-JWT-Extended: each of its guards, met and not met."""

import requests

from said import done, due, given, members, url

password = given["password"]


def bearer(token):
    return {"Authorization": "Bearer " + token}


def get(path, token=None):
    return requests.get(url + path, headers=bearer(token) if token else {})


def log_in(user, path="/login"):
    return requests.post(url + path, json={"correo": user, "contraseña": password})


def msg(text):
    return {"msg": text}


def mensaje(text):
    return {"mensaje": text}


tokens = members(log_in("eva@example.com"), 200, ["token", "refresh_token"])
eva = tokens["token"]
ana = members(log_in("ana@example.com"), 200, ["token", "refresh_token"])["token"]
leo = members(log_in("leo@example.com"), 200, ["token", "refresh_token"])["token"]
due(requests.post(url + "/login", json={"correo": "eva@example.com", "contraseña": "otra cosa"}), 401, mensaje("Credenciales inválidas"))
due(requests.post(url + "/login", json={"correo": "eva@example.com"}), 400, mensaje("Correo y contraseña son requeridos"))

# jwt_required()
due(get("/perfil", ana), 200, {"nombre": "Ana", "correo": "ana@example.com"})
due(get("/protegido", ana), 200, mensaje("Acceso autorizado a contenido protegido"))
due(get("/datos-protegidos", ana), 200, mensaje("Acceso concedido a datos protegidos"))
due(get("/perfil"), 401, msg("Missing Authorization Header"))
due(get("/perfil", "noise"), 422, msg("Invalid token"))

# jwt_required(optional=True)
due(get("/informacion"), 200, mensaje("Información general para visitantes"))
due(get("/informacion", ana), 200, mensaje("Información personalizada para el usuario ana"))

# `rol`, `roles` and `permisos`
due(get("/admin", eva), 200, mensaje("Bienvenido al panel de administración"))
due(get("/admin/panel", ana), 403, mensaje("Acceso denegado: privilegios insuficientes"))
due(get("/dashboard", ana), 403, mensaje("Acceso denegado: se requiere rol admin"))
due(get("/reporte", leo), 200, mensaje("Generando reporte..."))
due(get("/reporte", ana), 403, mensaje("Acceso denegado: se requiere uno de los roles ['admin', 'editor']"))
due(get("/datos-sensibles", eva), 200, mensaje("Accediendo a datos sensibles"))
due(get("/datos-sensibles", leo), 403, mensaje("Acceso denegado: se requiere el permiso ver_datos_sensibles"))

# jwt_required(refresh=True): the token of before has been revoked by it.
refreshed = requests.post(url + "/refresh", headers=bearer(tokens["refresh_token"]))
renewed = members(refreshed, 200, ["token", "refresh_token"])
due(get("/perfil", eva), 401, msg("Token has been revoked"))
due(get("/perfil", renewed["token"]), 200, {"nombre": "Eva", "correo": "eva@example.com"})
due(get("/perfil", renewed["refresh_token"]), 422, msg("Invalid token"))
again = requests.post(url + "/token/refresh", headers=bearer(renewed["refresh_token"]))
renewed = members(again, 200, ["token", "refresh_token"])

# jwt_required(fresh=True): a token of a refresh isn't, the one of the password is.
settings = lambda token: requests.put(url + "/configuracion", headers=bearer(token))
due(settings(renewed["token"]), 401, msg("Fresh token required"))
fresh = members(log_in("eva@example.com", "/reauth"), 200, ["token"])["token"]
due(settings(fresh), 200, mensaje("Configuración actualizada"))

# The blocklist: whoever has logged out has no token any more.
assert requests.post(url + "/logout", headers=bearer(ana)).status_code == 204
due(get("/perfil", ana), 422, msg("Invalid token"))
done()
