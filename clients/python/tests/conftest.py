"""A real lacre for the tests: `LACRE_TEST_PROGRAM` is the path of the program."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from lacre import Lacre

PASSWORD = "correct horse battery"


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


class Service:
    """A running lacre with a client that has users of its own. Its addresses outlive a restart."""

    def __init__(
        self, program: str, place: Path, gateway: str | None = None, own_users: bool = True, **settings: str
    ) -> None:
        self.program, self.place = program, place
        self.public = f"127.0.0.1:{free_port()}"
        self.gateway = gateway or f"127.0.0.1:{free_port()}"
        # Nothing of the tester's own configuration.
        self.environment = {
            "LACRE_GATEWAY__LISTEN": self.gateway,
            "LACRE_LIMITS__LOGIN_PER_ADDRESS": "off",
            **{f"LACRE_{name}": value for name, value in settings.items()},
        }
        self.users = "own" if own_users else "accounts"
        self.process: subprocess.Popen[str] | None = None
        self.start()
        add = ["clients", "add", "app", *(["--own-users"] if own_users else [])]
        made = json.loads(self.operator(*add, "--json"))
        self.client_id, self.client_secret = made["id"], made["secret"]

    def command(self, *words: str) -> list[str]:
        return [self.program, *words, "--data-dir", str(self.place / "data")]

    def operator(self, *words: str, typed: str = "") -> str:
        done = subprocess.run(
            self.command(*words), input=typed, env=self.environment, cwd=self.place,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        listen = ("--listen", self.public, "--management-listen", "127.0.0.1:0")
        with open(self.place / "log", "a") as log:
            self.process = subprocess.Popen(
                self.command("serve", "--dev", *listen), env=self.environment, cwd=self.place,
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        for line in self.process.stdout or ():
            if line.startswith("listening on "):
                return
        raise AssertionError((self.place / "log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Connections are accepted from now on, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        # Its threads stop one after the other, and may answer until then.
        tasks = Path(f"/proc/{self.process.pid}/task")
        while any(
            (task / "stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.iterdir()
        ):
            time.sleep(0.01)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    @property
    def settings(self) -> dict[str, object]:
        """For an application of Flask or Django."""
        gateway = self.gateway if self.gateway.startswith("unix:") else f"http://{self.gateway}"
        return {
            "LACRE_GATEWAY": gateway,
            "LACRE_URL": f"http://{self.public}",
            "LACRE_CLIENT_ID": self.client_id,
            "LACRE_CLIENT_SECRET": self.client_secret,
            "LACRE_USERS": self.users,
        }

    def lacre(self, **changes: object) -> Lacre:
        """A client of this service."""
        given = {name.removeprefix("LACRE_").lower(): one for name, one in self.settings.items()}
        return Lacre(**{**given, **changes})

    def account(self, email: str, *more: str) -> dict:
        """The tokens of an account of lacre's own, made first."""
        self.operator("users", "add", email, "--password-stdin", *more, typed=PASSWORD + "\n")
        return self.posted("/getToken", {"email": email, "password": PASSWORD})

    def posted(self, path: str, body: dict | None = None, token: str = "") -> dict:
        """What the public listener answers to this."""
        sent = Request(f"http://{self.public}{path}", json.dumps(body or {}).encode())
        sent.add_header("Content-Type", "application/json")
        if token:
            sent.add_header("Authorization", f"Bearer {token}")
        with urlopen(sent) as answer:
            return json.loads(answer.read() or b"{}")


def assert_no_verdict(got):
    assert got.status == 503, got
    assert int(got.headers["retry-after"]) >= 1
    assert "www-authenticate" not in got.headers
    assert got.json["code"] == "service_unreachable"


@pytest.fixture(scope="session")
def program() -> str:
    found = os.environ.get("LACRE_TEST_PROGRAM")
    if not found:
        pytest.exit("LACRE_TEST_PROGRAM names no program: run these tests by `make interop`", 2)
    return found


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def service(program):
    """One for all tests of a file, which leave it running."""
    with tempfile.TemporaryDirectory() as folder:
        running = Service(program, Path(folder))
        yield running
        running.stop()


@pytest.fixture(scope="module")
def accounts(program):
    """One whose users are lacre's own, for all tests of a file."""
    with tempfile.TemporaryDirectory() as folder:
        running = Service(program, Path(folder), own_users=False)
        yield running
        running.stop()


@pytest.fixture
def own_service(program, place):
    """One for a test that stops it."""
    running = Service(program, place)
    yield running
    running.stop()
