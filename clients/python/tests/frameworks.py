"""One small application in three frameworks, and how to send a request to each without a network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    json: object


class FlaskApp:
    def __init__(self, service, **changes):
        from flask import Flask

        from lacre import session_required as any_session_required
        from lacre.flask import current_session, session_required

        app = Flask("app")
        app.config.update(service.settings, **changes)

        def who(**_):
            session = current_session()
            return {"user": session and session.user, "roles": session and list(session.roles)}

        for path, guard in guards(session_required).items():
            app.add_url_rule(path, path, guard(who))
        app.add_url_rule("/any", "/any", any_session_required(role="editor")(who))

        async def slow():
            await asyncio.sleep(0)
            return who()

        app.add_url_rule("/async", "/async", session_required()(slow))
        app.add_url_rule("/unguarded", "/unguarded", who)
        self.client = app.test_client()

    def get(self, path, *authorization):
        headers = [("Authorization", one) for one in authorization]
        answer = self.client.get(path, headers=headers)
        return Got(answer.status_code, {k.lower(): v for k, v in answer.headers}, answer.get_json(force=True))


class DjangoApp:
    def __init__(self, service, **changes):
        from django.conf import settings

        if not settings.configured:
            settings.configure(ROOT_URLCONF="tests.frameworks_django", ALLOWED_HOSTS=["*"], DEBUG=False,
                               SECRET_KEY="for tests", MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"])  # fmt: skip
            import django

            django.setup()
        from django.test import Client, override_settings

        self.client = Client(enforce_csrf_checks=True)
        self.override = override_settings(**{**service.settings, **changes})

    def get(self, path, *authorization):
        return self.send("GET", path, *authorization)

    def send(self, method, path, *authorization):
        # A WSGI server joins equal headers (PEP 3333).
        headers = {"HTTP_AUTHORIZATION": ",".join(authorization)} if authorization else {}
        with self.override:
            answer = self.client.generic(method, path, **headers)
        is_json = "json" in answer.get("Content-Type", "")
        return Got(answer.status_code, {k.lower(): v for k, v in answer.items()}, is_json and answer.json())


class FastApiApp:
    def __init__(self, service, **changes):
        from fastapi.testclient import TestClient

        from .frameworks_fastapi import create_app

        names = {name.removeprefix("LACRE_").lower(): value for name, value in changes.items()}
        self.client = TestClient(create_app(service.lacre(**names)), raise_server_exceptions=False)

    def get(self, path, *authorization):
        headers = [("Authorization", one.encode()) for one in authorization]
        answer = self.client.get(path, headers=headers)
        return Got(answer.status_code, dict(answer.headers), answer.json())


def guards(session_required):
    """The same guards in each."""
    return {
        "/me": session_required(),
        "/maybe": session_required(optional=True),
        "/editors": session_required(role="editor"),
        "/staff": session_required(role=["editor", "admin"]),
        "/publish": session_required(permission="publish"),
        "/both": session_required(permission=["publish", "read"]),
        "/fresh": session_required(fresh=True),
    }


FRAMEWORKS = [FlaskApp, FastApiApp, DjangoApp]
