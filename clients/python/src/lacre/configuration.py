"""The settings that every framework shares, under the names that its configuration has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import Lacre
from .errors import Misconfigured

_NAMES = {
    "LACRE_GATEWAY": "gateway",
    "LACRE_URL": "url",
    "LACRE_CLIENT_ID": "client_id",
    "LACRE_CLIENT_SECRET": "client_secret",
    "LACRE_USERS": "users",
    "LACRE_TIMEOUT": "timeout",
    "LACRE_CONNECTIONS": "connections",
}


def from_settings(settings: Mapping[str, Any]) -> Lacre:
    """A `Lacre` of the settings `LACRE_GATEWAY`, `LACRE_URL`, `LACRE_CLIENT_ID`,
    `LACRE_CLIENT_SECRET` (or `LACRE_CLIENT_SECRET_FILE`), `LACRE_USERS`,
    `LACRE_TIMEOUT`, `LACRE_CONNECTIONS`.

    Raises `Misconfigured` where the credentials are missing. The environment isn't read: there, names
    that begin with `LACRE_` are those of the server's own settings, which refuses unknown ones.
    """
    given = {name: settings.get(key) for key, name in _NAMES.items()}
    found = {name: value for name, value in given.items() if value is not None}
    file = settings.get("LACRE_CLIENT_SECRET_FILE")
    if file is not None:
        try:
            with open(file, encoding="utf-8") as opened:
                found["client_secret"] = opened.read().strip()
        except OSError:
            raise Misconfigured("LACRE_CLIENT_SECRET_FILE can't be read") from None
    for name in ("client_id", "client_secret"):
        if name not in found:
            raise Misconfigured(f"LACRE_{name.upper()} is missing")
    found.setdefault("gateway", None)
    return Lacre(**found)
