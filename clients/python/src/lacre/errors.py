"""What can go wrong, as exceptions. None of them prints a token or a secret."""

from __future__ import annotations

from collections.abc import Mapping


class LacreError(Exception):
    """The base of everything that this package raises."""


class Misconfigured(LacreError):
    """A setting is missing or can't be understood. Raised before anything is asked."""


class Unavailable(LacreError):
    """lacre gave no verdict: it can't be reached, is too slow, or answered what can't be understood.

    It says nothing about the token. A guard answers it with 503, never with 401 and never with 200.
    """

    def __init__(self, why: str, retry_after: int = 1) -> None:
        super().__init__(why)
        #: Seconds until asking again makes sense.
        self.retry_after = retry_after


class Refused(LacreError):
    """lacre has answered a request for tokens or for sessions with a problem (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, object]) -> None:
        self.status = status
        #: The stable name of the problem, such as `invalid_token`.
        self.code = str(problem.get("code") or problem.get("error") or "")
        #: What it is about, for people.
        self.detail = str(problem.get("detail") or problem.get("error_description") or "")
        super().__init__(f"{status} {self.code}: {self.detail}")
