"""The names of Flask-JWT-Extended, with lacre behind them: an application changes its import.

docs/python.md says what differs.
"""

from .jwt_manager import JWTManager
from .utils import (
    create_access_token,
    create_refresh_token,
    current_user,
    decode_token,
    end_session,
    get_csrf_token,
    get_current_user,
    get_jti,
    get_jwt,
    get_jwt_header,
    get_jwt_identity,
    get_jwt_request_location,
    get_unverified_jwt_headers,
    set_access_cookies,
    set_refresh_cookies,
    unset_access_cookies,
    unset_jwt_cookies,
    unset_refresh_cookies,
)
from .view_decorators import jwt_required, verify_jwt_in_request

__all__ = [
    "JWTManager",
    "create_access_token",
    "create_refresh_token",
    "current_user",
    "decode_token",
    "end_session",
    "get_csrf_token",
    "get_current_user",
    "get_jti",
    "get_jwt",
    "get_jwt_header",
    "get_jwt_identity",
    "get_jwt_request_location",
    "get_unverified_jwt_headers",
    "jwt_required",
    "set_access_cookies",
    "set_refresh_cookies",
    "unset_access_cookies",
    "unset_jwt_cookies",
    "unset_refresh_cookies",
    "verify_jwt_in_request",
]
