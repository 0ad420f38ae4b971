"""The exceptions of Flask-JWT-Extended, under its names. `JWTManager` turns each into an answer."""

from __future__ import annotations

from typing import Any

from ..errors import LacreError


class JWTExtendedException(LacreError):
    """The base of them all."""


class JWTDecodeError(JWTExtendedException):
    """A text that is no token of lacre."""


class InvalidHeaderError(JWTExtendedException):
    """A header that should carry a token, in another form."""


class InvalidQueryParamError(JWTExtendedException):
    """A parameter of the query that should carry a token, in another form."""


class NoAuthorizationError(JWTExtendedException):
    """No token in any of the places."""


class CSRFError(JWTExtendedException):
    """A token in a cookie, without the proof that a page of our own sent it."""


class WrongTokenError(JWTExtendedException):
    """An access token where a refresh token is due."""


class _TokenError(JWTExtendedException):
    def __init__(self, message: str, jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> None:
        super().__init__(message)
        self.jwt_header = jwt_header
        self.jwt_data = jwt_data


class ExpiredTokenError(_TokenError):
    """A token that has expired. (The original lets PyJWT's `ExpiredSignatureError` through.)"""


class RevokedTokenError(_TokenError):
    """A token that has been revoked."""

    def __init__(self, jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> None:
        super().__init__("Token has been revoked", jwt_header, jwt_data)


class FreshTokenRequired(_TokenError):
    """A token that isn't fresh, where a fresh one is due."""


class UserLookupError(_TokenError):
    """The application's user loader has returned `None`."""


class UserClaimsVerificationError(_TokenError):
    """The application's verification of the claims has returned a false value."""
