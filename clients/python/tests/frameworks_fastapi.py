"""The application in FastAPI."""

from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket

from lacre.fastapi import Session, current_session, install, session_required

from .frameworks import guards


def told(session):
    return {"user": session and session.user, "roles": session and list(session.roles)}


def create_app(lacre):
    app = FastAPI()
    install(app, lacre)

    def add(path, guard):
        @app.get(path)
        async def who(session: Annotated[Session | None, Depends(guard)]):
            assert session == current_session()
            return told(session)

    for path, guard in guards(session_required).items():
        add(path, guard)
    add("/any", session_required(role="editor"))

    @app.get("/async", dependencies=[Depends(session_required())])
    def in_a_thread():
        return told(current_session())

    @app.get("/unguarded")
    async def unguarded():
        return told(current_session())

    @app.websocket("/socket")
    async def socket(socket: WebSocket, session: Annotated[Session, Depends(session_required())]):
        await socket.accept()
        await socket.send_text(session.user)
        await socket.close()

    return app
