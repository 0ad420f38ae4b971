"""The sessions that the request being answered has begun or refreshed.

An application asks for an access token and for a refresh token by two calls. In lacre both belong to
one session, so what the first call doesn't hand out waits here for the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import g, has_request_context, request

from ..client import Tokens

#: Names that lacre gives a meaning to (docs/sessions.md), so that no claim may have them.
_REGISTERED = ("iss", "sub", "aud", "iat", "exp", "nbf", "jti", "active", "client_id", "token_type")
_OF_LACRE = ("sid", "gen", "id", "email", "role", "roles", "permissions", "fresh", "auth_time")
TAKEN = frozenset((*_REGISTERED, *_OF_LACRE, "scope", "username"))


@dataclass(frozen=True)
class Wanted:
    """What an application wants said in an access token."""

    fresh: bool
    roles: tuple[str, ...] | None = None
    permissions: tuple[str, ...] | None = None
    email: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    #: The application has said nothing but who it is.
    is_silent: bool = False


@dataclass
class Issued:
    """A session and which of its tokens were handed out."""

    user: str
    tokens: Tokens
    #: What was asked for, of a session that this request has begun.
    wanted: Wanted | None = None
    #: What lacre tells of it, of a session that this request has refreshed.
    refreshed: Mapping[str, Any] | None = None
    has_given_access: bool = False
    has_given_refresh: bool = False
    has_ended: bool = False

    def says(self, wanted: Wanted) -> bool:
        """Whether its access token is what is wanted."""
        if self.refreshed is None:
            return self.wanted == wanted
        return says_the_same(wanted, self.refreshed)


def says_the_same(wanted: Wanted, told: Mapping[str, Any]) -> bool:
    """Whether a refreshed session says what is wanted. Where the application says nothing, it goes on
    with what was said at log-in.
    """
    if wanted.fresh:
        return False
    if wanted.is_silent:
        return True
    kept = {name: value for name, value in told.items() if name not in TAKEN}
    kept.update(kept.pop("claims", None) or {})
    return (
        (wanted.roles is None or list(wanted.roles) == list(told.get("roles") or ()))
        and (
            wanted.permissions is None or set(wanted.permissions) == set(str(told.get("scope") or "").split())
        )
        and wanted.claims == kept
    )


def in_this_request() -> list[Issued]:
    """The latest last. Outside of a request, those of the application context."""
    if has_request_context():
        # Not `g`: an application context that was pushed before outlives the request.
        found: list[Issued] = request.environ.setdefault("lacre.issued", [])
        return found
    if "lacre_issued" not in g:
        g.lacre_issued = []
    kept: list[Issued] = g.lacre_issued
    return kept
