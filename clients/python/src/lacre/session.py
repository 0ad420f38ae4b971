"""The session of a request, as lacre has just told it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .errors import Unavailable

#: What stands for a client where lacre itself knows the user.
ACCOUNTS = "lacre"


@dataclass(frozen=True)
class Session:
    """A live session: what an introspection (RFC 7662 §2.2) says of its access token.

    It holds for the request that it was asked for. It is no use to keep it: whether the session is
    still alive at the next request, only lacre knows.
    """

    #: The user's id.
    user: str
    #: The session's handle: what `Lacre.end_session` takes.
    handle: str
    #: The name of the account or user, such as an e-mail address, where there is one.
    username: str | None
    roles: tuple[str, ...]
    permissions: frozenset[str]
    #: Whether a password was proven for this token.
    fresh: bool
    #: Unix seconds.
    issued_at: int
    expires_at: int
    #: The client that vouches for the user; `ACCOUNTS` for an account of lacre's own.
    client_id: str
    #: Everything that was told, further claims among it.
    claims: Mapping[str, Any] = field(repr=False)
    #: The access token itself, for `Lacre.revoke`.
    token: str = field(repr=False)

    @classmethod
    def read(cls, told: Mapping[str, Any], token: str) -> Session:
        """Raises `Unavailable` for an active token without what lacre always tells."""
        try:
            username = told.get("username")
            return cls(
                user=text(told["sub"]),
                handle=text(told["sid"]),
                username=None if username is None else text(username),
                roles=tuple(text(role) for role in _list(told.get("roles"))),
                permissions=frozenset(text(told.get("scope") or "").split()),
                fresh=told.get("fresh") is True,
                issued_at=seconds(told["iat"]),
                expires_at=seconds(told["exp"]),
                client_id=text(told["client_id"]),
                claims=told,
                token=token,
            )
        except (KeyError, TypeError):
            raise Unavailable("lacre's answer lacks what an active token has") from None

    def has_role(self, *roles: str) -> bool:
        """Whether it has at least one of them."""
        return any(role in self.roles for role in roles)

    def has_permission(self, *permissions: str) -> bool:
        """Whether it has all of them."""
        return all(permission in self.permissions for permission in permissions)


def text(value: object) -> str:
    """The value, if it is a text; `TypeError` else."""
    if not isinstance(value, str):
        raise TypeError
    return value


def seconds(value: object) -> int:
    """The value, if it is a whole number; `TypeError` else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _list(value: object) -> list[Any]:
    # A text would be read letter by letter, and an object by its names.
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError
    return value


#: The session of the request that this thread or task is answering.
running: ContextVar[Session | None] = ContextVar("lacre_session", default=None)


def current_session() -> Session | None:
    """The session of the request that is being answered, inside a view that `session_required` guards.

    `None` where there is none: the view isn't guarded, or it is `optional=True` and no token came.
    """
    return running.get()
