"""Routes of FastAPI, guarded by a dependency.

```python
app = FastAPI()
install(app, Lacre(gateway="http://127.0.0.1:9091", client_id=…, client_secret=…))

@app.get("/me")
async def me(session: Annotated[Session, Depends(session_required())]):
    return {"user": session.user}
```
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from fastapi import FastAPI, Response, WebSocket
from fastapi.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from .client import Lacre
from .errors import Misconfigured
from .problem import Problem
from .requirement import Requirement
from .session import Session, current_session, running

__all__ = ["Session", "current_session", "install", "session_required"]


def install(app: FastAPI, lacre: Lacre) -> None:
    """Says whom the guards of this application ask, and lets it answer refusals as lacre does."""
    app.state.lacre = lacre
    app.add_exception_handler(Problem, cast(Any, _answer))


def session_required(
    *,
    optional: bool = False,
    fresh: bool = False,
    role: str | Sequence[str] | None = None,
    permission: str | Sequence[str] | None = None,
) -> Callable[[HTTPConnection], Awaitable[Session | None]]:
    """A dependency that lets in only requests with the access token of a live session, in
    `Authorization: Bearer`, and gives the route its `Session`.

    `optional` lets in who has no token, and gives `None`; `fresh` demands that a password was proven
    for the token; `role` a role, or one of several; `permission` a permission, or all of several.
    The others get what lacre itself answers: 401, 403, 400 for two tokens, and 503 where lacre can't
    be asked. It guards the handshake of a websocket as well, and nothing after it.
    """
    requirement = Requirement.of(optional, fresh, role, permission)

    async def verify(connection: HTTPConnection) -> Session | None:
        lacre = getattr(connection.app.state, "lacre", None)
        if lacre is None:
            raise Misconfigured("call lacre.fastapi.install(app, Lacre(…)) first")
        sent = connection.headers.getlist("Authorization")
        # A thread asks, so that the loop goes on meanwhile.
        session = await run_in_threadpool(requirement.verify, lacre, sent)
        # Each request has a context of its own, which ends with it.
        running.set(session)
        return session

    return verify


async def _answer(connection: HTTPConnection, raised: Exception) -> Response:
    problem = cast(Problem, raised)
    answer = Response(problem.body, problem.status, problem.headers)
    if isinstance(connection, WebSocket):
        if "websocket.http.response" in connection.scope.get("extensions", {}):
            await connection.send_denial_response(answer)
        else:
            # RFC 6455 §7.4.1: a policy was violated. Before the handshake it is a 403.
            await connection.close(1008)
    return answer
