"""What a view asks of a request, and the one place where a guard decides. No framework here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .client import Lacre
from .errors import Unavailable
from .problem import Problem
from .session import Session

# One call, and not a step for each of some thousand characters.
_PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Requirement:
    """What `session_required` was given."""

    #: No token at all is fine; a bad one is refused all the same.
    optional: bool = False
    #: The token was made by proving a password, not by a refresh.
    fresh: bool = False
    #: At least one of these roles.
    roles: tuple[str, ...] = ()
    #: All of these permissions.
    permissions: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        optional: bool,
        fresh: bool,
        role: str | Sequence[str] | None,
        permission: str | Sequence[str] | None,
    ) -> Requirement:
        """From the arguments of `session_required`."""
        if callable(optional):
            raise TypeError("session_required is called: @session_required()")
        return cls(optional, fresh, _names(role), _names(permission))

    def verify(self, lacre: Lacre, authorization: Sequence[str]) -> Session | None:
        """Asks lacre about the token in these `Authorization` headers.

        Returns the session; `None` only where the token is optional and none came. Raises `Problem`
        for whatever isn't let in, 503 among them.
        """
        token = bearer(authorization)
        if token is None:
            if self.optional:
                return None
            raise Problem("no_credentials")
        try:
            session = lacre.introspect(token)
        except Unavailable as error:
            raise Problem.of(error) from error
        if session is None:
            raise Problem("invalid_token")
        self._check(session)
        return session

    def _check(self, session: Session) -> None:
        if self.roles and not session.has_role(*self.roles):
            one = len(self.roles) == 1
            missing: dict[str, Any] = {"role": self.roles[0]} if one else {"any_role": list(self.roles)}
            raise Problem("insufficient_scope", missing=missing)
        for permission in self.permissions:
            if not session.has_permission(permission):
                raise Problem("insufficient_scope", missing={"permission": permission})
        if self.fresh and not session.fresh:
            raise Problem("insufficient_scope", missing="fresh_login")


def bearer(authorization: Sequence[str]) -> str | None:
    """The bearer token (RFC 6750 §2.1); `None` for no header or another scheme.

    Raises `Problem` for more than one header, for which one a proxy in front looked at is unknown,
    for a scheme without a token, and for characters that no token has.
    """
    if not authorization:
        return None
    # A server that joins equal headers (RFC 9110 §5.3) puts a comma, which no token has.
    if len(authorization) > 1 or "," in authorization[0]:
        raise Problem("invalid_request", "The request carries more than one credential.")
    scheme, _, token = authorization[0].strip(" ").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip(" ")
    if not token:
        raise Problem("invalid_request", "The Authorization header carries no token.")
    if not _PRINTABLE.fullmatch(token):
        raise Problem("invalid_token")
    return token


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        # An empty list that let everybody in would be the opposite of what was meant.
        raise ValueError("a role or permission has a name")
    return names
