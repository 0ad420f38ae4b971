"""`lacre.session_required`, for a view of Flask or of Django."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

View = TypeVar("View", bound=Callable[..., Any])


def session_required(
    *,
    optional: bool = False,
    fresh: bool = False,
    role: str | Sequence[str] | None = None,
    permission: str | Sequence[str] | None = None,
) -> Callable[[View], View]:
    """Lets in only requests with the access token of a live session.

    `optional` lets in who has no token; `fresh` demands that a password was proven for the token;
    `role` a role, or one of several; `permission` a permission, or all of several.

    It finds out at the first request whether Flask or Django calls the view, and does what
    `session_required` of `lacre.flask` or `lacre.django` does. FastAPI has its own in
    `lacre.fastapi`, for there a guard is a dependency.
    """

    def decorate(view: View) -> View:
        guarded: dict[str, Callable[..., Any]] = {}

        def of(framework: str) -> Callable[..., Any]:
            if framework not in guarded:
                if framework == "flask":
                    from .flask import session_required as guard
                else:
                    from .django import session_required as guard
                guarded[framework] = guard(optional=optional, fresh=fresh, role=role, permission=permission)(
                    view
                )
            return guarded[framework]

        @functools.wraps(view)
        def ask(*args: Any, **kwargs: Any) -> Any:
            return of(_framework(args))(*args, **kwargs)

        return cast(View, ask)

    # What is wrong with the arguments is said where they stand, and not at the first request.
    from .requirement import Requirement

    Requirement.of(optional, fresh, role, permission)
    return decorate


def _framework(args: tuple[Any, ...]) -> str:
    flask = sys.modules.get("flask")
    if flask is not None and flask.has_request_context():
        return "flask"
    django = sys.modules.get("django.http")
    if django is not None and args and isinstance(args[0], django.HttpRequest):
        return "django"
    raise RuntimeError("session_required guards views of Flask and Django; for FastAPI use lacre.fastapi")
