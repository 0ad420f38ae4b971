"""Claims, from what an application says of its users to what lacre takes, and back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..errors import Unavailable
from ..session import Session
from .config import seconds, setting
from .issued import TAKEN, Wanted

#: Ours among the session's claims: what lacre has no place for.
_OURS = "jwt_extended"


def wanted(
    identity: Any,
    claims: Mapping[str, Any],
    fresh: bool | float | timedelta,
    expires: timedelta | int | bool | None,
) -> tuple[str, Wanted]:
    """The id of a user and what to say of it."""
    ours: dict[str, Any] = {}
    if not isinstance(identity, str):
        if isinstance(identity, bool) or not isinstance(identity, int):
            raise TypeError("an identity is a string or an int; see user_identity_loader")
        ours["identity"] = identity
    life = seconds(expires)
    if life is not None:
        ours["ttl"] = life
    if not isinstance(fresh, bool):
        lasts = fresh.total_seconds() if isinstance(fresh, timedelta) else fresh - time.time()
        ours["fresh_for"] = int(lasts)
    roles, permissions, email, more = None, None, None, {}
    for name, value in claims.items():
        if name == "roles" and _is_texts(value):
            roles = tuple(value)
        elif name == "permissions" and _is_texts(value):
            permissions = tuple(value)
        elif name in TAKEN or name == _OURS:
            ours.setdefault("claims", {})[name] = value
            # For whoever lists the user's sessions.
            email = value if name == "email" and isinstance(value, str) else email
        else:
            more[name] = value
    if ours:
        more[_OURS] = ours
    is_silent = not claims and life is None
    return str(identity), Wanted(bool(fresh), roles, permissions, email, more, is_silent)


def told(session: Session, kind: str) -> dict[str, Any]:
    """The claims as `get_jwt` gives them: the original's names, and what the application has said."""
    found = {name: value for name, value in session.claims.items() if name != "active"}
    found.update(found.pop("claims", None) or {})
    ours = found.pop(_OURS, None) or {}
    found.setdefault("nbf", session.issued_at)
    found["type"] = kind
    found["permissions"] = sorted(session.permissions)
    try:
        found[setting("IDENTITY_CLAIM")] = ours.get("identity", session.user)
        lives = [ours.get("ttl"), seconds(setting("ACCESS_TOKEN_EXPIRES"))]
        for life in lives:
            if life is not None:
                found["exp"] = min(found["exp"], session.issued_at + int(life))
        found["fresh"] = session.fresh
        if session.fresh and "fresh_for" in ours:
            found["fresh"] = session.issued_at + int(ours["fresh_for"])
        found.update(ours.get("claims") or {})
    except (AttributeError, TypeError, ValueError):
        raise Unavailable("the session's claims aren't those of this package") from None
    return found


def is_fresh(claims: Mapping[str, Any]) -> bool:
    """Whether the token is fresh now; `fresh` is a flag, or until when."""
    fresh = claims["fresh"]
    return fresh if isinstance(fresh, bool) else bool(fresh >= time.time())


def has_expired(claims: Mapping[str, Any]) -> bool:
    """Whether the life that the application gave it is over."""
    return bool(claims["exp"] <= time.time())


def _is_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
