"""docs/python.md, done as it says: the application of its five minutes, its story, and its examples."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import lacre

from .conftest import free_port
from .frameworks import DjangoApp

PAGE = Path(__file__).parents[3] / "docs/python.md"


def blocks(language):
    """The fenced blocks of this language, each with the name of the file that it shows."""
    found = re.findall(rf"(?:<!-- file: (\S+) -->\n)?```{language}\n(.*?)```", PAGE.read_text(), re.S)
    assert found
    return found


def test_the_story_of_the_page_is_401_200_204_401(accounts, place):
    application = dict(blocks("python"))["shop.py"]
    story = dict(blocks("sh"))["story.sh"]
    ours = f"127.0.0.1:{free_port()}"
    places = {"127.0.0.1:9091": accounts.gateway, "127.0.0.1:8080": accounts.public, "127.0.0.1:5000": ours}
    for said, real in places.items():
        application, story = application.replace(said, real), story.replace(said, real)
    (place / "shop.py").write_text(application)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(lacre.__file__).parents[1]),
        "SHOP_ID": accounts.client_id,
        "SHOP_SECRET": accounts.client_secret,
    }
    words = [sys.executable, "-m", "flask", "--app", "shop", "run", "--port", ours.partition(":")[2]]
    with open(place / "log", "w") as log:
        running = subprocess.Popen(words, cwd=place, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://{ours}/me", place / "log")
        ran = subprocess.run(
            ["/bin/sh", "-ec", story], env=environment, capture_output=True, text=True, check=True
        )
    finally:
        running.terminate()
        running.wait()
    assert re.findall(r"^HTTP/1.1 (\d+)", ran.stdout, re.M) == ["401", "200", "204", "401"]
    assert '{"user":"ada@example.com"}' in ran.stdout
    assert ran.stdout.count('error="invalid_token"') == 1, ran.stdout


def wait_for(url, log):
    for _ in range(200):
        try:
            urllib.request.urlopen(url)
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_every_example_of_the_page_is_python_that_runs(accounts, monkeypatch):
    DjangoApp(accounts)  # Django's settings, which its example needs
    monkeypatch.setitem(os.environ, "SHOP_ID", "a")
    monkeypatch.setitem(os.environ, "SHOP_SECRET", "b")
    shared = {"__name__": "tests"}
    for _, text in blocks("python"):
        exec(text, shared)  # noqa: S102 - our own page
    assert {"login", "logout", "reports", "publish", "create_access_token"} <= set(shared)


def test_the_page_names_every_setting_and_every_call():
    from lacre import Lacre, Session, configuration
    from lacre.flask_jwt_extended import config

    text = PAGE.read_text()
    settings = [*configuration._NAMES, *(name for name in config.DEFAULTS if name.startswith("LACRE_"))]
    assert [name for name in settings if f"`{name}`" not in text and f"`{name} =" not in text] == []
    calls = [name for name in vars(Lacre) if not name.startswith("_") and name != "introspection"]
    assert [name for name in calls if f"{name}(" not in text and name != "close"] == []
    fields = Session.__dataclass_fields__
    assert [name for name in fields if f"`{name}`" not in text] == []
