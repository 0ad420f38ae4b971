"""The program as nodes of a deployment on one engine, with a client and many users, and how they are asked."""

import contextlib
import os
import select
import signal
import socket
import time
import urllib.error
from urllib.parse import urlsplit

from harness import PLACE, SERVER, answer, children, started, status, stop
from peers import USERS
from service import ISSUERS, SESSION, Program

# Tokens that outlive the measurement, also where others of their users come after them.
ENVIRONMENT = {"LACRE_TOKEN__ACCESS_TTL": "1d", "LACRE_SESSION__MAX_PER_USER": "10000"}


def shared(engine, database, url, key):
    """The environment of nodes: the sessions by this engine, the accounts in this database."""
    given = {"LACRE_KEYSTORE__ENGINE": "postgres" if engine == "postgres" else "redis", "LACRE_ACCOUNTS__URL": database,
             "LACRE_MASTER_KEY_FILE": str(key)}
    return given if url is None else given | {"LACRE_KEYSTORE__URL": url}


class Node:
    """One `lacre serve`, in a group of processes where it is given one."""

    def __init__(self, lacre, data, environment, group=None, core=SERVER):
        self.group = group
        command = [*core, lacre, "serve", "--data-dir", str(data), "--listen", "127.0.0.1:0", "--management-listen",
                   "127.0.0.1:0"]
        command = group.inside(command) if group else command
        began = time.monotonic()
        self.child, told, _ = started(command, "listening", env=os.environ | environment)
        self.url, self.management = told["listening on"], told["management on"]
        while self.ready() != 200:
            time.sleep(0.005)
        self.ready_s = time.monotonic() - began

    def ready(self):
        try:
            return status(f"{self.management}/readyz")
        except urllib.error.URLError:
            return 0

    def metric(self, name):
        """The sum of what is counted under this name."""
        lines = answer(f"{self.management}/metrics").decode().splitlines()
        found = [line.rsplit(" ", 1)[1] for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(one) for one in found)

    def pause(self, halted):
        self.child.send_signal(signal.SIGSTOP if halted else signal.SIGCONT)

    def stop(self):
        stop(self.child)
        children.remove(self.child)


class Deployment(Program):
    """Nodes on one engine; of `sled` there is one. Each has a directory of its own."""

    def __init__(self, lacre, engine, postgres=None, store=None):
        self.engine, self.postgres, self.store = engine, postgres, store
        self.database = f"nodes_{engine}"
        given = dict(ENVIRONMENT)
        if engine != "sled":
            url = postgres.database(self.database)
            given |= shared(engine, url, store.url if store else None, PLACE / f"nodes-{engine}" / "master.key")
        super().__init__(lacre, f"nodes-{engine}", **given)
        self.given = given

    def more_users(self, like):
        """Copies an account, for hashing a thousand passwords takes a while."""
        if self.engine == "sled":
            return super().more_users(like)
        changed = ("jsonb_build_object('id', 'user-' || n, 'email', n || '@example.com', 'email_lookup', "
                   "n || '@example.com')")
        self.postgres.sql(
            f"INSERT INTO accounts SELECT (jsonb_populate_record(a, {changed})).* FROM accounts a, "
            f"generate_series(1000, {1000 + USERS - 2}) n WHERE a.id = '{like}'", self.database)
        told = self.postgres.sql("SELECT id FROM accounts WHERE id LIKE 'user-%' ORDER BY id", self.database).split()
        if len(told) != USERS - 1:
            raise SystemExit(f"{self.engine}: {len(told)} accounts instead of {USERS - 1}")
        return told

    def node(self, number=0, group=None, core=SERVER):
        """Starts one; the directory of the first is the one that commands go by."""
        data = self.place / ("data" if number == 0 else f"data-{number}")
        return Node(self.lacre, data, self.given, group, core)

    def sessions_of(self, url, count):
        """So many new sessions at this node, or more: lines with access token and refresh token."""
        return self.minted(url, count, "auth,refresh").read_text().splitlines()

    def asking(self):
        """What a load that asks for tokens of new sessions is given."""
        asked = {"connections": ISSUERS, "body": SESSION, "users": self.place / "users", "basic": self.basic,
                 "from": self.sessions}
        self.sessions += 1_000_000
        return asked


@contextlib.contextmanager
def nodes_of(deployment, count, groups=None):
    """So many nodes at work."""
    nodes = []
    try:
        for number in range(count):
            nodes.append(deployment.node(number, groups[number] if groups else None))
        yield nodes
    finally:
        for node in nodes:
            node.stop()


class Line:
    """A connection that is kept, on which one request is under way at most."""

    def __init__(self, url):
        place = urlsplit(url)
        self.host = place.netloc
        self.socket = socket.create_connection((place.hostname, place.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self):
        return self.socket.fileno()

    def send(self, method, path, token):
        """Sends a request, and returns when."""
        text = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {token}\r\n"
        text += "Content-Length: 0\r\n\r\n" if method == "POST" else "\r\n"
        now = time.monotonic()
        self.socket.sendall(text.encode())
        return now

    def status(self):
        """The status of the answer, which is read whole."""
        text = b""
        while b"\r\n\r\n" not in text:
            text += self.more()
        head, _, body = text.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        left = int(fields.get(b"content-length", 0)) - len(body)
        while left > 0:
            left -= len(self.more())
        return int(head.split()[1])

    def more(self):
        part = self.socket.recv(65536)
        if not part:
            raise SystemExit("a node has closed a connection that was to be kept")
        return part

    def ask(self, method, path, token):
        self.send(method, path, token)
        return self.status()

    def close(self):
        self.socket.close()


def answered(lines, seconds):
    """Those of the connections that have an answer within this time."""
    return select.select(lines, [], [], max(seconds, 0))[0]
