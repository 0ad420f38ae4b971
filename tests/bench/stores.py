"""The stores that several nodes share, as real servers with what docs/scaling.md demands of them: PostgreSQL, a server of
Redis, and a cluster of six; and groups of processes whose share of the processor is given and counted (cgroups).

The stores lie on a disk, for what they answer has to be on it, and share a core with the load generator.
"""

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import end_all, free_port, start

STORE = os.environ.get("LACRE_BENCH_STORE", "taskset -c 1").split()
# So short that a process that has used up its share waits for a part of a lease, not for longer than one.
PERIOD_US = 5_000
# Where the system has its groups: of version 2, or of version 1, where shares and counts are apart.
GROUPS = Path("/sys/fs/cgroup")
IS_NEW = (GROUPS / "cgroup.controllers").exists()
# Ten times that of a process by itself.
WEIGHT = 1_000 if IS_NEW else 10_240
# Enough that a million sessions are in memory, as on a machine that is there for a database.
POSTGRES = ["shared_buffers=512MB", "max_connections=200"]
# Snapshots beside the log would come in the middle of a measurement.
REDIS = ["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no",
         "--maxmemory-policy", "noeviction", "--save", "", "--daemonize", "no"]

made = []


# Also where it is stopped half way.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))


@atexit.register
def remove_all():
    end_all()
    for one in made:
        one.remove()


def home(name):
    """A directory on a disk that another user may go into, which goes with this process."""
    return Home(Path(tempfile.mkdtemp(prefix=f"lacre-bench-{name}-", dir="/var/tmp"))).path


class Home:
    def __init__(self, path):
        self.path = path
        path.chmod(0o755)
        made.append(self)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Group:
    """Processes whose time on the processor is counted together, and which may be given a share of one core."""

    def __init__(self, name):
        name = f"lacre-bench-{os.getpid()}-{name}"
        self.shares, self.counts = ((GROUPS / name,) * 2 if IS_NEW else
                                    (GROUPS / "cpu" / name, GROUPS / "cpuacct" / name))
        try:
            if IS_NEW:
                (GROUPS / "cgroup.subtree_control").write_text("+cpu")
            for path in {self.shares, self.counts}:
                path.mkdir(exist_ok=True)
            # A group counts as one process where it competes with others, and a database is many.
            (self.shares / ("cpu.weight" if IS_NEW else "cpu.shares")).write_text(str(WEIGHT))
        except OSError as error:
            sys.exit(f"no group of processes can be made here, so nodes have no equal shares: {error}")
        made.append(self)

    def limit(self, share):
        """From now on so much of one core, or as much as there is."""
        quota = None if share is None else round(share * PERIOD_US)
        if IS_NEW:
            (self.shares / "cpu.max").write_text(f"{quota or 'max'} {PERIOD_US}")
        else:
            (self.shares / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.shares / "cpu.cfs_quota_us").write_text(str(quota or -1))

    def seconds(self):
        """On the processor so far."""
        if IS_NEW:
            lines = (self.counts / "cpu.stat").read_text().splitlines()
            return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6
        return int((self.counts / "cpuacct.usage").read_text()) / 1e9

    def inside(self, command):
        """The command that runs this one in the group."""
        enter = 'echo $$ >"$1/cgroup.procs" && echo $$ >"$2/cgroup.procs" && shift 2 && exec "$@"'
        return ["sh", "-c", enter, "sh", str(self.shares), str(self.counts), *map(str, command)]

    def processes(self):
        return [int(one) for one in (self.counts / "cgroup.procs").read_text().split()]

    def memory_mib(self):
        """Memory of all of them in RAM; what several share counts once."""
        kib = 0
        for process in self.processes():
            try:
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kib / 1024

    def remove(self):
        for path in {self.shares, self.counts}:
            # Servers' own children end a moment after them.
            for _ in range(100):
                try:
                    path.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    time.sleep(0.05)
                    continue
                break


def disk_bytes(path):
    """What a directory takes on the disk."""
    return int(subprocess.run(["du", "-s", "-B1", str(path)], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[0])


def wait_for(what, question, seconds=30):
    for _ in range(seconds * 50):
        if question():
            return
        time.sleep(0.02)
    sys.exit(f"{what} doesn't come")


def quiet(*command):
    """What a command prints; nothing where it fails."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
    return done.stdout if done.returncode == 0 else ""


class Postgres:
    """A PostgreSQL of its own that is durable by its own defaults: fsync, full_page_writes, synchronous_commit."""

    def __init__(self, name="postgres", settings=()):
        versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
        self.programs = max(versions, key=lambda path: int(path.parts[4])).parent
        self.home, self.port, self.group = home(name), free_port(), Group(name)
        self.data = self.home / "data"
        # It refuses to run as root.
        self.user = (["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
                     if os.getuid() == 0 else [])
        if self.user:
            shutil.chown(self.home, "postgres", "postgres")
        subprocess.run([*self.user, self.programs / "initdb", "-D", self.data, "-U", "lacre", "-A", "trust", "-E", "UTF8",
                        "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        more = [word for one in [*POSTGRES, *settings] for word in ("-c", one)]
        command = [*STORE, *self.user, self.programs / "postgres", "-D", self.data, "-h", "127.0.0.1", "-p", self.port, "-k",
                   self.data, *more]
        self.child = start(self.group.inside(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_for("PostgreSQL", lambda: self.sql("SELECT 1", "postgres"))
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            if self.sql(f"SHOW {setting}", "postgres") != "on":
                sys.exit(f"{setting} isn't on")

    def sql(self, text, database):
        return quiet(self.programs / "psql", "-h", "127.0.0.1", "-p", self.port, "-U", "lacre", "-XAtq", "-v",
                     "ON_ERROR_STOP=1", "-c", text, database).strip()

    def database(self, name):
        """Makes an empty database, and returns its URL."""
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return f"postgres://lacre@127.0.0.1:{self.port}/{name}"

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()


class Redis:
    """One server."""

    def __init__(self, name="redis", settings=(), group=None):
        self.home, self.port, self.group = home(name), cluster_port(), group or Group(name)
        command = [*STORE, "redis-server", "--port", self.port, "--dir", self.home, *REDIS, *settings]
        self.child = start(self.group.inside(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("Redis", lambda: self.says("PING").strip() == "PONG")

    def says(self, *command):
        return quiet("redis-cli", "-h", "127.0.0.1", "-p", self.port, *command)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def info(self, name):
        found = [line.split(":")[1] for line in self.says("INFO").splitlines() if line.startswith(name + ":")]
        return int(found[0])

    def commands(self):
        """How many it has carried out, those within functions among them."""
        return self.info("total_commands_processed")

    def stop(self):
        self.child.terminate()
        self.child.wait()


class Cluster:
    """Six servers: three primaries, and a replica of each."""

    def __init__(self, name="cluster"):
        self.group = Group(name)
        on = ["--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0"]
        self.servers = [Redis(f"{name}-{number}", on, self.group) for number in range(6)]
        places = [f"127.0.0.1:{one.port}" for one in self.servers]
        subprocess.run(["redis-cli", "--cluster", "create", *places, "--cluster-replicas", "1", "--cluster-yes"], check=True,
                       stdout=subprocess.DEVNULL)
        self.url = "redis+cluster://" + ",".join(places[:2])

        def whole():
            said = [(one.says("CLUSTER", "INFO"), one.says("CLUSTER", "NODES"), one.says("ROLE")) for one in self.servers]
            return all("cluster_state:ok" in info and nodes.count("slave") == 3 and
                       (not role.startswith("slave") or "connected" in role.split()) for info, nodes, role in said)

        wait_for("a cluster of Redis", whole)

    def commands(self):
        return sum(one.commands() for one in self.servers)

    def stop(self):
        for one in self.servers:
            one.stop()


def cluster_port():
    """A free port whose neighbour by 10000, which a cluster talks by, is free as well."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for one in (port, port + 10_000):
                with socket.socket() as tried:
                    tried.bind(("127.0.0.1", one))
        except OSError:
            continue
        return port
