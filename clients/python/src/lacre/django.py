"""Views of Django, guarded: functions, `async` functions, and methods by `method_decorator`.

```python
# settings.py
LACRE_GATEWAY = "http://127.0.0.1:9091"
LACRE_CLIENT_ID = …
LACRE_CLIENT_SECRET = …

@session_required(role="editor")
def publish(request):
    return JsonResponse({"by": current_session().user})
```
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from .client import Lacre
from .configuration import from_settings
from .problem import Problem
from .requirement import Requirement
from .session import current_session, running

__all__ = ["current_session", "lacre", "session_required"]

View = TypeVar("View", bound=Callable[..., Any])


class _Settings(dict[str, Any]):
    def get(self, name: str, default: Any = None) -> Any:
        return getattr(settings, name, default)


@functools.cache
def lacre() -> Lacre:
    """What this project asks, made of its settings at the first call: `LACRE_GATEWAY`, `LACRE_URL`,
    `LACRE_CLIENT_ID`, `LACRE_CLIENT_SECRET` or `LACRE_CLIENT_SECRET_FILE`, `LACRE_USERS`, `LACRE_TIMEOUT`,
    `LACRE_CONNECTIONS`.
    """
    return from_settings(_Settings())


def _forget(*, setting: str, **_: Any) -> None:
    if setting.startswith("LACRE_"):
        lacre.cache_clear()


# Tests override settings.
setting_changed.connect(_forget)


def session_required(
    *,
    optional: bool = False,
    fresh: bool = False,
    role: str | Sequence[str] | None = None,
    permission: str | Sequence[str] | None = None,
) -> Callable[[View], View]:
    """Lets in only requests with the access token of a live session, in `Authorization: Bearer`.

    `optional` lets in who has no token; `fresh` demands that a password was proven for the token;
    `role` a role, or one of several; `permission` a permission, or all of several. The others get
    what lacre itself answers: 401, 403, and 503 where lacre can't be asked.

    The view is exempt from Django's own CSRF check, since no browser sends such a header by itself;
    an `optional` one isn't, for it may act on Django's cookies.
    """
    requirement = Requirement.of(optional, fresh, role, permission)

    def verify(request: HttpRequest) -> HttpResponse | None:
        sent = request.META.get("HTTP_AUTHORIZATION")
        try:
            session = requirement.verify(lacre(), [] if sent is None else [sent])
        except Problem as problem:
            return HttpResponse(problem.body, status=problem.status, headers=problem.headers)
        request.lacre_session = session  # type: ignore[attr-defined, unused-ignore]
        return None

    def decorate(view: View) -> View:
        guarded: Callable[..., Any]
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                # A thread asks, so that the loop goes on meanwhile.
                refusal = await asyncio.to_thread(verify, request)
                if refusal is not None:
                    return refusal
                before = running.set(request.lacre_session)  # type: ignore[attr-defined, unused-ignore]
                try:
                    return await view(request, *args, **kwargs)
                finally:
                    running.reset(before)
        else:

            @functools.wraps(view)
            def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                refusal = verify(request)
                if refusal is not None:
                    return refusal
                before = running.set(request.lacre_session)  # type: ignore[attr-defined, unused-ignore]
                try:
                    return view(request, *args, **kwargs)
                finally:
                    running.reset(before)

        return cast(View, guarded if optional else csrf_exempt(guarded))

    return decorate
