"""`JWTManager`: the application's loaders, and the answers to tokens that aren't let in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, jsonify, make_response
from flask.typing import ResponseReturnValue
from flask.wrappers import Response

from ..errors import Unavailable
from . import config
from . import exceptions as errors

Callback = TypeVar("Callback", bound=Callable[..., Any])


def get_jwt_manager() -> JWTManager:
    """The manager of the current application. Raises `RuntimeError` where there is none."""
    found = current_app.extensions.get("flask-jwt-extended")
    if not isinstance(found, JWTManager):
        raise RuntimeError(
            "You must initialize a JWTManager with this flask application before using this method"
        )
    return found


def _message(text: str, status: int) -> ResponseReturnValue:
    return jsonify({config.setting("ERROR_MESSAGE_KEY"): text}), status


class JWTManager:
    """Holds the loaders of an application, as that of Flask-JWT-Extended does.

    Besides the settings of the original, the application's configuration has `LACRE_GATEWAY`,
    `LACRE_URL`, `LACRE_CLIENT_ID` and `LACRE_CLIENT_SECRET`; it needs no `JWT_SECRET_KEY`.
    """

    def __init__(self, app: Flask | None = None, add_context_processor: bool = False) -> None:
        self._user_identity: Callable[[Any], Any] = lambda identity: identity
        self._user_claims: Callable[[Any], dict[str, Any] | None] = lambda _: {}
        self._user_lookup: Callable[..., Any] | None = None
        self._is_blocked: Callable[..., bool] = lambda _header, _data: False
        self._verifies: Callable[..., bool] = lambda _header, _data: True
        self._on_expired: Callable[..., Any] = lambda _header, _data: _message("Token has expired", 401)
        self._on_invalid: Callable[..., Any] = lambda why: _message(why, 422)
        self._on_missing: Callable[..., Any] = lambda why: _message(why, 401)
        self._on_stale: Callable[..., Any] = lambda _header, _data: _message("Fresh token required", 401)
        self._on_revoked: Callable[..., Any] = lambda _header, _data: _message("Token has been revoked", 401)
        self._on_unverified: Callable[..., Any] = lambda _header, _data: _message(
            "User claims verification failed", 400
        )
        self._on_unknown_user: Callable[..., Any] = lambda _header, data: _message(
            f"Error loading the user {data[config.setting('IDENTITY_CLAIM')]}", 401
        )
        if app is not None:
            self.init_app(app, add_context_processor)

    def init_app(self, app: Flask, add_context_processor: bool = False) -> None:
        """Registers itself with an application."""
        from .utils import get_current_user
        from .view_decorators import keep_rotated_cookie

        app.extensions["flask-jwt-extended"] = self
        if add_context_processor:
            app.context_processor(lambda: {"current_user": get_current_user()})
        config.set_defaults(app)
        self._register_answers(app)
        app.after_request(keep_rotated_cookie)

    def _register_answers(self, app: Flask) -> None:
        def invalid(error: Exception) -> Any:
            return self._on_invalid(str(error))

        def missing(error: Exception) -> Any:
            return self._on_missing(str(error))

        def telling(name: str) -> Callable[[Any], Any]:
            # Looked up when it happens: a loader may be set after the registration.
            return lambda error: getattr(self, name)(error.jwt_header, error.jwt_data)

        for bad in (
            errors.JWTDecodeError,
            errors.InvalidHeaderError,
            errors.InvalidQueryParamError,
            errors.WrongTokenError,
        ):
            app.register_error_handler(bad, invalid)
        for absent in (errors.NoAuthorizationError, errors.CSRFError):
            app.register_error_handler(absent, missing)
        app.register_error_handler(errors.ExpiredTokenError, telling("_on_expired"))
        app.register_error_handler(errors.RevokedTokenError, telling("_on_revoked"))
        app.register_error_handler(errors.FreshTokenRequired, telling("_on_stale"))
        app.register_error_handler(errors.UserClaimsVerificationError, telling("_on_unverified"))
        app.register_error_handler(errors.UserLookupError, telling("_on_unknown_user"))
        app.register_error_handler(Unavailable, _unavailable)

    # The loaders, each as in Flask-JWT-Extended.

    def additional_claims_loader(self, callback: Callback) -> Callback:
        """The callback takes the identity and returns claims for its tokens."""
        self._user_claims = callback
        return callback

    def user_identity_loader(self, callback: Callback) -> Callback:
        """The callback takes what `create_access_token` was given and returns an id."""
        self._user_identity = callback
        return callback

    def user_lookup_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and returns the user for `current_user`, or `None`."""
        self._user_lookup = callback
        return callback

    def user_lookup_error_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and answers where no user was found."""
        self._on_unknown_user = callback
        return callback

    def token_in_blocklist_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and returns whether the application has revoked it.

        It is still asked, and needed no more: `end_session` ends a session everywhere.
        """
        self._is_blocked = callback
        return callback

    def token_verification_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and returns whether they will do."""
        self._verifies = callback
        return callback

    def token_verification_failed_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and answers where they won't do."""
        self._on_unverified = callback
        return callback

    def expired_token_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and answers a token that is no good any more.

        lacre doesn't say whose it was, so the identity in the claims is `None`, unless the
        application's own `JWT_ACCESS_TOKEN_EXPIRES` ended it.
        """
        self._on_expired = callback
        return callback

    def revoked_token_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and answers a token that the application has revoked,
        and a refresh token that is no good any more, with an identity of `None`.
        """
        self._on_revoked = callback
        return callback

    def invalid_token_loader(self, callback: Callback) -> Callback:
        """The callback takes a reason and answers what is no token of lacre."""
        self._on_invalid = callback
        return callback

    def unauthorized_loader(self, callback: Callback) -> Callback:
        """The callback takes a reason and answers where there is no token."""
        self._on_missing = callback
        return callback

    def needs_fresh_token_loader(self, callback: Callback) -> Callback:
        """The callback takes header and claims and answers a token that isn't fresh."""
        self._on_stale = callback
        return callback

    def additional_headers_loader(self, callback: Callback) -> Callback:
        """Without effect: a token of lacre has one header."""
        return _idle("additional_headers_loader", callback)

    def decode_key_loader(self, callback: Callback) -> Callback:
        """Without effect: lacre holds the keys."""
        return _idle("decode_key_loader", callback)

    def encode_key_loader(self, callback: Callback) -> Callback:
        """Without effect: lacre holds the keys."""
        return _idle("encode_key_loader", callback)


def _idle(name: str, callback: Callback) -> Callback:
    logging.getLogger(__name__).warning("without effect, for lacre decides it: %s", name)
    return callback


def _unavailable(error: Unavailable) -> Response:
    current_app.logger.error("%s", error)
    answer = make_response(_message("Whether the session is alive can't be asked now", 503))
    answer.headers["Retry-After"] = str(error.retry_after)
    return answer
