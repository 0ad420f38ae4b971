"""The same application run with either library, and the same requests sent to both."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import Flask

ORIGINAL, OURS = "flask_jwt_extended", "lacre.flask_jwt_extended"


@dataclass
class Conversation:
    """One client's requests to one application. What it is given is known by a name afterwards."""

    app: Flask
    kept: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def ask(self, method, path, token=None, json=None, header=None, keep=None, headers=None):
        """Sends a request; `token` names a token that was kept. Notes the status and the body."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {self.kept.get(token, token)}"
        if header is not None:
            sent["Authorization"] = header
        answer = self.client.open(path, method=method, json=json, headers=sent)
        body = answer.get_data(as_text=True)
        for name, value in (answer.get_json(silent=True) or {}).items() if keep else ():
            if name in keep:
                self.kept[keep[name]] = value
                body = body.replace(value, f"<{name}>")
        self.lines.append(f"{method} {path} {token or header or ''}: {answer.status_code} {body.strip()}")
        return answer
