"""What a guard answers to whom it doesn't let in, in the form that lacre itself answers."""

from __future__ import annotations

import json
import re
from typing import Any

from .errors import LacreError, Unavailable

# RFC 6749 §3.3: what a scope may consist of.
_SCOPE = re.compile(r"[!#-\[\]-~]+")

_TABLE = {
    "no_credentials": (401, "Credentials needed", "This resource needs an access token."),
    "invalid_token": (401, "Invalid token", "The token is not accepted."),
    "invalid_request": (400, "Invalid request", "The request is malformed."),
    "insufficient_scope": (
        403,
        "Not allowed",
        "The token is good, and its owner lacks something that this resource needs.",
    ),
    "service_unreachable": (
        503,
        "Can't be decided now",
        "Whether the token is good can't be told at the moment. Try again.",
    ),
}


class Problem(LacreError):
    """A request that isn't let in, and its answer (RFC 9457, RFC 6750 §3)."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        missing: dict[str, Any] | str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.code = code
        self.status, self.title, usual = _TABLE[code]
        self.detail = detail or usual
        self.missing = missing
        self.retry_after = retry_after
        super().__init__(f"{self.status} {code}")

    @classmethod
    def of(cls, error: Unavailable) -> Problem:
        """The 503 for a verdict that couldn't be had."""
        return cls("service_unreachable", retry_after=error.retry_after)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, its media type among them."""
        found = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        if self.status != 503:
            challenge = 'Bearer realm="lacre"'
            if self.code != "no_credentials":
                challenge += f', error="{self.code}"'
            if isinstance(self.missing, dict) and "permission" in self.missing:
                scope = str(self.missing["permission"])
                if _SCOPE.fullmatch(scope):
                    challenge += f', scope="{scope}"'
            found["WWW-Authenticate"] = challenge
        if self.retry_after is not None:
            found["Retry-After"] = str(self.retry_after)
        return found

    def as_dict(self) -> dict[str, Any]:
        """The body, for a framework that writes JSON itself."""
        found: dict[str, Any] = {
            "type": f"urn:lacre:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.missing is not None:
            found["missing"] = self.missing
        return found

    @property
    def body(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.as_dict(), separators=(",", ":")).encode()
