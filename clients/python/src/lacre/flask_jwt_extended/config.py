"""The settings of Flask-JWT-Extended, under its names, and what each means here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

from flask import Flask, current_app

#: With the defaults of Flask-JWT-Extended.
DEFAULTS: dict[str, Any] = {
    # None: what lacre's `token.access_ttl` says. A shorter life is kept to; a longer has no effect.
    "JWT_ACCESS_TOKEN_EXPIRES": None,
    "JWT_ACCESS_COOKIE_NAME": "access_token_cookie",
    "JWT_ACCESS_COOKIE_PATH": "/",
    "JWT_ACCESS_CSRF_COOKIE_NAME": "csrf_access_token",
    "JWT_ACCESS_CSRF_COOKIE_PATH": "/",
    "JWT_ACCESS_CSRF_FIELD_NAME": "csrf_token",
    "JWT_ACCESS_CSRF_HEADER_NAME": "X-CSRF-TOKEN",
    "JWT_COOKIE_CSRF_PROTECT": True,
    "JWT_COOKIE_DOMAIN": None,
    "JWT_COOKIE_SAMESITE": None,
    "JWT_COOKIE_SECURE": False,
    "JWT_CSRF_CHECK_FORM": False,
    "JWT_CSRF_IN_COOKIES": True,
    "JWT_CSRF_METHODS": ["POST", "PUT", "PATCH", "DELETE"],
    "JWT_ERROR_MESSAGE_KEY": "msg",
    "JWT_HEADER_NAME": "Authorization",
    "JWT_HEADER_TYPE": "Bearer",
    "JWT_IDENTITY_CLAIM": "sub",
    "JWT_JSON_KEY": "access_token",
    "JWT_QUERY_STRING_NAME": "jwt",
    "JWT_QUERY_STRING_VALUE_PREFIX": "",
    "JWT_REFRESH_COOKIE_NAME": "refresh_token_cookie",
    "JWT_REFRESH_COOKIE_PATH": "/",
    "JWT_REFRESH_CSRF_COOKIE_NAME": "csrf_refresh_token",
    "JWT_REFRESH_CSRF_COOKIE_PATH": "/",
    "JWT_REFRESH_CSRF_FIELD_NAME": "csrf_token",
    "JWT_REFRESH_CSRF_HEADER_NAME": "X-CSRF-TOKEN",
    "JWT_REFRESH_JSON_KEY": "refresh_token",
    "JWT_SESSION_COOKIE": True,
    "JWT_TOKEN_LOCATION": ("headers",),
    # Not of the original: which loader answers a token that is no good any more. lacre doesn't tell
    # whether it has expired or its session was ended: "expired" or "revoked".
    "LACRE_INACTIVE_TOKEN": "expired",
}

#: What lacre decides in their place. Set, they have no effect, and `JWTManager` says so.
WITHOUT_EFFECT = (
    "JWT_DECODE_AUDIENCE",
    "JWT_DECODE_ISSUER",
    "JWT_DECODE_LEEWAY",
    "JWT_ENCODE_AUDIENCE",
    "JWT_ENCODE_ISSUER",
    "JWT_REFRESH_TOKEN_EXPIRES",
)

LOCATIONS = ("headers", "cookies", "query_string", "json")


def set_defaults(app: Flask) -> None:
    """Sets what the application hasn't set, and says which of its settings have no effect."""
    for name, value in DEFAULTS.items():
        app.config.setdefault(name, value)
    idle = [name for name in WITHOUT_EFFECT if app.config.get(name)]
    if idle:
        app.logger.warning("without effect, for lacre decides it: %s", ", ".join(idle))
    if app.config["LACRE_INACTIVE_TOKEN"] not in ("expired", "revoked"):
        raise RuntimeError('LACRE_INACTIVE_TOKEN is "expired" or "revoked"')


def setting(name: str) -> Any:
    """A setting of the current application, without `JWT_`."""
    return current_app.config["JWT_" + name]


def token_locations(asked: str | Sequence[str] | None) -> Sequence[str]:
    """The places to look for a token: those asked for, or the application's."""
    found = asked or cast("str | Sequence[str]", setting("TOKEN_LOCATION"))
    if isinstance(found, str):
        found = (found,)
    elif not isinstance(found, Iterable):
        raise RuntimeError("JWT_TOKEN_LOCATION must be a sequence or a set")
    found = tuple(found)
    if not found:
        raise RuntimeError("JWT_TOKEN_LOCATION must contain at least one location")
    for location in found:
        if location not in LOCATIONS:
            raise RuntimeError(f"'{location}' is not a valid location")
    return found


def seconds(life: timedelta | int | bool | None) -> int | None:
    """A life in seconds; `None` where the application doesn't limit it."""
    if life is None or life is False:
        return None
    return int(life.total_seconds() if isinstance(life, timedelta) else life)


def cookie_max_age() -> int | None:
    """`None` for a cookie that lives as long as the browser; else a year."""
    return None if setting("SESSION_COOKIE") else 31540000
