"""Tokens made and read, and what a guarded view may ask of its own."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Any, cast

from flask import Response, g
from werkzeug.local import LocalProxy

from ..client import Tokens
from ..flask import lacre
from .claims import told, wanted
from .config import cookie_max_age, setting
from .exceptions import ExpiredTokenError, JWTDecodeError
from .issued import Issued, Wanted, in_this_request
from .jwt_manager import get_jwt_manager

#: More than any deployment of lacre takes.
LONGEST_TOKEN = 8192
_FORM = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){4}")

#: The user that `user_lookup_loader` has returned for this request.
current_user: Any = LocalProxy(lambda: get_current_user())


def get_jwt() -> dict[str, Any]:
    """The claims of the token of this request; an empty dictionary where it is optional and none came.

    Raises `RuntimeError` in a view that isn't guarded.
    """
    return cast("dict[str, Any]", _of_request("jwt"))


def get_jwt_header() -> dict[str, Any]:
    """The header of the token of this request: what everybody can read of it."""
    return cast("dict[str, Any]", _of_request("header"))


def get_jwt_identity() -> Any:
    """The identity of the token of this request; `None` where it is optional and none came."""
    return get_jwt().get(setting("IDENTITY_CLAIM"))


def get_jwt_request_location() -> str | None:
    """Where the token of this request was: "headers", "cookies", "query_string" or "json"."""
    return cast("str | None", g.get("_lacre_jwt", {}).get("location"))


def get_current_user() -> Any:
    """The user that `user_lookup_loader` has returned; `None` where the token is optional and none
    came. Raises `RuntimeError` without such a loader.
    """
    user = _of_request("user")
    if user is None:
        raise RuntimeError("You must provide a `@jwt.user_lookup_loader` callback to use this method")
    return user["loaded_user"]


def create_access_token(
    identity: Any,
    fresh: bool | float | timedelta = False,
    expires_delta: timedelta | bool | None = None,
    additional_claims: dict[str, Any] | None = None,
    additional_headers: dict[str, Any] | None = None,
) -> str:
    """An access token of a new session of this identity, which lacre begins.

    In a view behind `jwt_required(refresh=True)` it is the token that the refresh has brought, where
    it says the same: identity, claims, and not fresh. Where it doesn't, a new session takes the place
    of the refreshed one.

    `fresh` says that the user has just proven a password. `expires_delta` shortens the life that
    lacre gives. Headers have no effect. Raises `Unavailable` (answered 503) where lacre can't be
    asked, and `Refused` where it doesn't give a session of that identity.
    """
    manager = get_jwt_manager()
    claims = dict(manager._user_claims(identity) or {})
    claims.update(additional_claims or {})
    user, says = wanted(manager._user_identity(identity), claims, fresh, expires_delta)
    issued = in_this_request()
    for known in reversed(issued):
        if known.user == user and not known.has_given_access and not known.has_ended and known.says(says):
            known.has_given_access = True
            return known.tokens.access
    begun = Issued(user, _begin(user, says), says, has_given_access=True)
    for known in issued:
        is_unused = not (known.has_given_access or known.has_given_refresh or known.has_ended)
        if known.refreshed is not None and known.user == user and is_unused:
            # Left alive, it would be a second session of the user, held by nobody.
            lacre().revoke(known.tokens.access)
            known.has_ended = True
    issued.append(begun)
    return begun.tokens.access


def create_refresh_token(
    identity: Any,
    expires_delta: timedelta | bool | None = None,
    additional_claims: dict[str, Any] | None = None,
    additional_headers: dict[str, Any] | None = None,
) -> str:
    """The refresh token that goes with the access token that this request has made for this identity.

    Without one a new session begins, with these claims, and an access token that is asked for
    afterwards is of this session if it says the same. Its life is lacre's `session.refresh_ttl`.

    lacre spends a refresh token when it is used: a view that refreshes has to return the new one.
    """
    manager = get_jwt_manager()
    claims = dict(manager._user_claims(identity) or {})
    claims.update(additional_claims or {})
    user, says = wanted(manager._user_identity(identity), claims, False, None)
    issued = in_this_request()
    for known in reversed(issued):
        if known.user == user and known.tokens.refresh and not (known.has_given_refresh or known.has_ended):
            known.has_given_refresh = True
            return known.tokens.refresh
    begun = Issued(user, _begin(user, says), says, has_given_refresh=True)
    issued.append(begun)
    if begun.tokens.refresh is None:
        raise RuntimeError("lacre gave no refresh token")
    return begun.tokens.refresh


def _begin(user: str, says: Wanted) -> Tokens:
    return lacre().get_token(
        user,
        email=says.email,
        roles=says.roles,
        permissions=says.permissions,
        fresh=says.fresh or None,
        claims=says.claims,
    )


def end_session(encoded_token: str | None = None) -> None:
    """Ends the session of this token, by default that of the request. Not of the original.

    When it returns, both tokens of the session are refused everywhere, and no blocklist is needed.
    Raises `Unavailable` (answered 503) where lacre can't be asked: the session may be alive.
    """
    token = encoded_token or _of_request("token")
    if token is None:
        raise RuntimeError("this request has no token")
    lacre().revoke(token)
    for known in in_this_request():
        if token in (known.tokens.access, known.tokens.refresh):
            known.has_ended = True


def decode_token(
    encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
) -> dict[str, Any]:
    """The claims of a live access token, of which lacre tells.

    Raises `JWTDecodeError` for what is no token of lacre, and `ExpiredTokenError` for one that is no
    good any more; a refresh token can't be read. `allow_expired` can't be had: the key is gone.
    """
    from .view_decorators import check_csrf

    header = get_unverified_jwt_headers(encoded_token)
    if csrf_value:
        check_csrf(encoded_token, csrf_value)
    session = lacre().introspect(encoded_token, users="own")
    if session is None:
        nobody = {setting("IDENTITY_CLAIM"): None}
        raise ExpiredTokenError("Token has expired", header, nobody)
    return told(session, "access")


def get_unverified_jwt_headers(encoded_token: str) -> dict[str, Any]:
    """The header, of which nothing was verified. Raises `JWTDecodeError` for what has no form of a
    token of lacre: five segments, the first a header that names its session.
    """
    if encoded_token.count(".") < 4:
        raise JWTDecodeError("Not enough segments")
    if len(encoded_token) > LONGEST_TOKEN or not _FORM.fullmatch(encoded_token):
        raise JWTDecodeError("Invalid token")
    try:
        first = encoded_token.partition(".")[0]
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except ValueError:
        raise JWTDecodeError("Invalid header padding") from None
    if not isinstance(header, dict) or not isinstance(header.get("kid"), str):
        raise JWTDecodeError("Invalid header string: must name a session")
    return header


def get_jti(encoded_token: str) -> str | None:
    """The id of a live access token."""
    return cast("str | None", decode_token(encoded_token).get("jti"))


def get_csrf_token(encoded_token: str) -> str:
    """What a page sends back to prove that it could read our cookies.

    Made of the token, from which nobody else can make it and which it doesn't tell.
    """
    digest = sha256(b"lacre.flask_jwt_extended csrf\0" + encoded_token.encode())
    return urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def set_access_cookies(
    response: Response,
    encoded_access_token: str,
    max_age: int | None = None,
    domain: str | None = None,
) -> None:
    """Sets the cookie of the access token, and the one of its CSRF value."""
    _set("ACCESS", response, encoded_access_token, max_age, domain)


def set_refresh_cookies(
    response: Response,
    encoded_refresh_token: str,
    max_age: int | None = None,
    domain: str | None = None,
) -> None:
    """Sets the cookie of the refresh token, and the one of its CSRF value."""
    _set("REFRESH", response, encoded_refresh_token, max_age, domain)


def unset_jwt_cookies(response: Response, domain: str | None = None) -> None:
    """Removes the cookies of both tokens."""
    unset_access_cookies(response, domain)
    unset_refresh_cookies(response, domain)


def unset_access_cookies(response: Response, domain: str | None = None) -> None:
    """Removes the cookies of the access token."""
    _set("ACCESS", response, None, None, domain)


def unset_refresh_cookies(response: Response, domain: str | None = None) -> None:
    """Removes the cookies of the refresh token."""
    _set("REFRESH", response, None, None, domain)


def _set(kind: str, response: Response, token: str | None, max_age: int | None, domain: str | None) -> None:
    values = [("COOKIE", token or "", True)]
    if setting("COOKIE_CSRF_PROTECT") and setting("CSRF_IN_COOKIES"):
        values.append(("CSRF_COOKIE", get_csrf_token(token) if token else "", False))
    life = {"max_age": max_age or cookie_max_age()} if token else {"expires": 0}
    for name, value, is_hidden in values:
        response.set_cookie(
            setting(f"{kind}_{name}_NAME"),
            value=value,
            secure=setting("COOKIE_SECURE"),
            httponly=is_hidden,
            domain=domain or setting("COOKIE_DOMAIN"),
            path=setting(f"{kind}_{name}_PATH"),
            samesite=setting("COOKIE_SAMESITE"),
            **life,
        )


def _of_request(name: str) -> Any:
    found = g.get("_lacre_jwt")
    if found is None:
        raise RuntimeError(
            "You must call `@jwt_required()` or `verify_jwt_in_request()` before using this method"
        )
    return found[name]
