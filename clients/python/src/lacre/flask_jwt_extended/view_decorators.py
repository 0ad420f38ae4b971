"""`jwt_required`: the guard. The token is looked for as Flask-JWT-Extended does, and lacre decides."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Any, TypeVar, cast

from flask import Response, current_app, g, request
from werkzeug.exceptions import BadRequest

from ..errors import Refused
from ..flask import lacre
from . import exceptions as errors
from .claims import has_expired, is_fresh, told
from .config import setting, token_locations
from .issued import Issued, in_this_request
from .jwt_manager import get_jwt_manager
from .utils import get_csrf_token, get_unverified_jwt_headers, set_refresh_cookies

View = TypeVar("View", bound=Callable[..., Any])


def jwt_required(
    optional: bool = False,
    fresh: bool = False,
    refresh: bool = False,
    locations: str | Sequence[str] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> Callable[[View], View]:
    """Lets in only requests with the token of a live session, as `verify_jwt_in_request` says."""
    if callable(optional):
        raise TypeError("jwt_required is called: @jwt_required()")

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            verify_jwt_in_request(optional, fresh, refresh, locations, verify_type, skip_revocation_check)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return cast(View, guarded)

    return decorate


def verify_jwt_in_request(
    optional: bool = False,
    fresh: bool = False,
    refresh: bool = False,
    locations: str | Sequence[str] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Verifies the token of this request and returns its header and claims.

    `optional`: without a token, `None`; a bad one is refused all the same. `refresh`: a refresh token,
    which is spent by that: what it brings is what `create_access_token` and `create_refresh_token` of
    the same request return. `verify_type=False`: either; a refresh token is spent. `locations`: where
    to look. `skip_revocation_check`: the application's blocklist isn't asked; lacre always is.

    Raises one of the exceptions that `JWTManager` answers, and `Unavailable` (answered 503) where
    lacre gives no verdict.
    """
    if request.method == "OPTIONS":
        return None
    # Whatever an earlier request has left, should one application context hold both.
    g._lacre_jwt = None
    try:
        token, csrf_value, location = _find(token_locations(locations), refresh)
    except errors.NoAuthorizationError:
        if not optional:
            raise
        nobody = {"loaded_user": None}
        g._lacre_jwt = {"jwt": {}, "header": {}, "user": nobody, "location": None, "token": None}
        return None
    header = get_unverified_jwt_headers(token)
    if csrf_value is not None:
        # Before lacre is asked: a forged request must not spend a refresh token.
        check_csrf(token, csrf_value)
    claims, token = _ask(token, header, refresh, verify_type)
    if location == "cookies" and setting("COOKIE_CSRF_PROTECT"):
        claims["csrf"] = get_csrf_token(token)
    if has_expired(claims):
        raise errors.ExpiredTokenError("Token has expired", header, claims)
    if fresh and not is_fresh(claims):
        raise errors.FreshTokenRequired("Fresh token required", header, claims)
    manager = get_jwt_manager()
    if not skip_revocation_check and manager._is_blocked(header, claims):
        raise errors.RevokedTokenError(header, claims)
    if not manager._verifies(header, claims):
        text = "User claims verification failed"
        raise errors.UserClaimsVerificationError(text, header, claims)
    user = None
    if manager._user_lookup is not None:
        found = manager._user_lookup(header, claims)
        if found is None:
            text = f"user_lookup returned None for {claims[setting('IDENTITY_CLAIM')]}"
            raise errors.UserLookupError(text, header, claims)
        user = {"loaded_user": found}
    g._lacre_jwt = {
        "jwt": claims,
        "header": header,
        "user": user,
        "location": location,
        "token": token,
    }
    return header, claims


def _ask(token: str, header: dict[str, Any], refresh: bool, verify_type: bool) -> tuple[dict[str, Any], str]:
    """The claims, and the token that is good from now on."""
    if not refresh:
        session = lacre().introspect(token, users="own")
        if session is not None:
            return told(session, "access"), token
        if verify_type:
            raise _inactive(header, current_app.config["LACRE_INACTIVE_TOKEN"])
    try:
        tokens = lacre().refresh(token)
    except Refused:
        # An access token of a live session is told so, as it gives away nothing.
        if verify_type and lacre().introspect(token, users="own") is not None:
            raise errors.WrongTokenError("Only refresh tokens are allowed") from None
        raise _inactive(header, "revoked") from None
    session = lacre().introspect(tokens.access, users="own")
    if session is None:
        # Ended or refreshed by somebody else in between.
        raise _inactive(header, "revoked")
    # For the view to return.
    in_this_request().append(Issued(session.user, tokens, refreshed=session.claims))
    return told(session, "refresh"), tokens.access


def _inactive(header: dict[str, Any], reason: str) -> errors.JWTExtendedException:
    claims = {setting("IDENTITY_CLAIM"): None}
    if reason == "revoked":
        return errors.RevokedTokenError(header, claims)
    return errors.ExpiredTokenError("Token has expired", header, claims)


def _find(locations: Sequence[str], refresh: bool) -> tuple[str, str | None, str]:
    """The token, the CSRF value that has to fit it, and where the token was."""
    reasons = []
    for location in locations:
        try:
            if location == "cookies":
                return *_in_cookies(refresh), location
            if location == "headers":
                return _in_headers(), None, location
            if location == "query_string":
                return _in_query(), None, location
            return _in_json(refresh), None, location
        except errors.NoAuthorizationError as error:
            reasons.append(str(error))
    if len(locations) == 1:
        raise errors.NoAuthorizationError(reasons[0])
    first, last = ", ".join(locations[:-1]), locations[-1]
    raise errors.NoAuthorizationError(f"Missing JWT in {first} or {last} ({'; '.join(reasons)})")


def _in_headers() -> str:
    name, kind = setting("HEADER_NAME"), setting("HEADER_TYPE")
    sent = request.headers.get(name, "").strip().strip(",")
    if not sent:
        raise errors.NoAuthorizationError(f"Missing {name} Header")
    if not kind:
        if len(sent.split()) != 1:
            raise errors.InvalidHeaderError(f"Bad {name} header. Expected '{name}: <JWT>'")
        return sent
    found = [one for one in re.split(r",\s*", sent) if one and one.split()[0] == kind]
    if len(found) != 1:
        raise errors.NoAuthorizationError(
            f"Missing '{kind}' type in '{name}' header. Expected '{name}: {kind} <JWT>'"
        )
    parts = found[0].split()
    if len(parts) != 2:
        raise errors.InvalidHeaderError(f"Bad {name} header. Expected '{name}: {kind} <JWT>'")
    return parts[1]


def _in_cookies(refresh: bool) -> tuple[str, str | None]:
    kind = "REFRESH" if refresh else "ACCESS"
    name = setting(f"{kind}_COOKIE_NAME")
    token = request.cookies.get(name)
    if not token:
        raise errors.NoAuthorizationError(f'Missing cookie "{name}"')
    if not setting("COOKIE_CSRF_PROTECT") or request.method not in setting("CSRF_METHODS"):
        return token, None
    value = request.headers.get(setting(f"{kind}_CSRF_HEADER_NAME"))
    if not value and setting("CSRF_CHECK_FORM"):
        value = request.form.get(setting(f"{kind}_CSRF_FIELD_NAME"))
    if not value:
        raise errors.CSRFError("Missing CSRF token")
    return token, value


def _in_query() -> str:
    name, prefix = setting("QUERY_STRING_NAME"), setting("QUERY_STRING_VALUE_PREFIX")
    value = request.args.get(name)
    if not value:
        raise errors.NoAuthorizationError(f"Missing '{name}' query paramater")
    if not value.startswith(prefix):
        raise errors.InvalidQueryParamError(
            f"Invalid value for query parameter '{name}'. Expected the value to start with '{prefix}'"
        )
    return value[len(prefix) :]


def _in_json(refresh: bool) -> str:
    if not request.is_json:
        raise errors.NoAuthorizationError("Invalid content-type. Must be application/json.")
    name = setting("REFRESH_JSON_KEY" if refresh else "JSON_KEY")
    try:
        body = request.get_json()
        token = body.get(name) if isinstance(body, dict) else None
    except BadRequest:
        token = None
    if not token or not isinstance(token, str):
        raise errors.NoAuthorizationError(f'Missing "{name}" key in json data.')
    return token


def check_csrf(token: str, value: str) -> None:
    """Raises `CSRFError` unless this is the CSRF value of the token."""
    if not compare_digest(get_csrf_token(token).encode(), value.encode()):
        raise errors.CSRFError("CSRF double submit tokens do not match")


def keep_rotated_cookie(response: Response) -> Response:
    """Sets the refresh token that has taken the place of a spent one in a cookie, where the view
    hasn't said anything about that cookie. A browser needs no more to go on.
    """
    found = g.get("_lacre_jwt") or {}
    if found.get("location") != "cookies":
        return response
    name = setting("REFRESH_COOKIE_NAME")
    said = response.headers.getlist("Set-Cookie")
    if any(line.startswith(f"{name}=") for line in said):
        return response
    for issued in reversed(in_this_request()):
        if issued.tokens.refresh and not issued.has_given_refresh and not issued.has_ended:
            set_refresh_cookies(response, issued.tokens.refresh)
            break
    return response
