"""Views of Flask, guarded.

```python
app.config.update(LACRE_GATEWAY="http://127.0.0.1:9091", LACRE_CLIENT_ID=…, LACRE_CLIENT_SECRET=…)

@app.get("/me")
@session_required()
def me():
    return {"user": current_session().user}
```
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from flask import Response, current_app, g, request

from .client import Lacre
from .configuration import from_settings
from .problem import Problem
from .requirement import Requirement
from .session import Session, running

__all__ = ["current_session", "lacre", "session_required"]

View = TypeVar("View", bound=Callable[..., Any])


def lacre() -> Lacre:
    """What the current application asks, made of its configuration at the first call.

    The settings are `LACRE_GATEWAY`, `LACRE_URL`, `LACRE_CLIENT_ID`, `LACRE_CLIENT_SECRET` or
    `LACRE_CLIENT_SECRET_FILE`, `LACRE_USERS`, `LACRE_TIMEOUT` and `LACRE_CONNECTIONS`.
    """
    found = current_app.extensions.get("lacre")
    if found is None:
        # Two threads that come first at once make two; the later stays, both are good.
        found = current_app.extensions["lacre"] = from_settings(current_app.config)
    return cast(Lacre, found)


def current_session() -> Session | None:
    """The session of this request, also while its answer is streamed.

    `None` where the view isn't guarded, or is `optional=True` and no token came.
    """
    return cast("Session | None", g.get("lacre_session"))


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
    what lacre itself answers: 401, 403, 400 for two tokens, and 503 where lacre can't be asked.
    """
    requirement = Requirement.of(optional, fresh, role, permission)

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                session = requirement.verify(lacre(), request.headers.getlist("Authorization"))
            except Problem as problem:
                return Response(problem.body, problem.status, problem.headers)
            g.lacre_session = session
            before = running.set(session)
            try:
                return current_app.ensure_sync(view)(*args, **kwargs)
            finally:
                running.reset(before)

        return cast(View, guarded)

    return decorate
