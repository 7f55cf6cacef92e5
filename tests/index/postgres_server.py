"""A PostgreSQL server of the tests' own: in a temporary folder, reached by a Unix socket inside it.

By hand the same is, as any user but root, with Debian's package `postgresql`:

    PATH=$PATH:$(echo /usr/lib/postgresql/*/bin); folder=$(mktemp -d)
    initdb --pgdata=$folder/data --username=ragfleet --auth=trust --encoding=UTF8
    postgres -D $folder/data -c listen_addresses= -c unix_socket_directories=$folder &
    createdb --host=$folder --username=ragfleet corpus
    export RAGFLEET_DATABASE_URL="postgresql://ragfleet@/corpus?host=$folder"
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import mkdtemp

import psycopg
from sqlalchemy import make_url

HOW_TO_GET_IT = "needs PostgreSQL's initdb and postgres: apt-get install postgresql"
ROOM_BYTES = 2 * 1024**3
START_TIMEOUT_S = 120


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`: on the PATH, else the newest that Debian installed."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    on_path = [Path(folder) for folder in os.get_exec_path()]
    for folder in [*reversed(debian), *on_path]:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    return None


class PostgresServer:
    """A running server; a context manager that stops it, by its pid, and removes its folder."""

    def __init__(self, programs: Path) -> None:
        self._numbers = itertools.count(1)
        self._user = _unprivileged_user()
        self.folder = Path(mkdtemp(prefix="ragfleet-postgres-", dir=_roomy_memory()))
        shutil.chown(self.folder, self._user or os.getuid())
        data = f"--pgdata={self.folder}/data"
        options = ["--username=ragfleet", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        self._run(programs / "initdb", data, *options, "--no-sync").check_returncode()
        settings = {
            "listen_addresses": "",  # nobody on the network, and no port to be found free
            "unix_socket_directories": self.folder,
            "fsync": "on",
            "synchronous_commit": "off",  # the catalog must turn it on
            "shared_buffers": "32MB",
            "log_min_messages": "fatal",
        }
        command: list[str | Path] = [programs / "postgres", "-D", self.folder / "data"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, user=self._user, cwd=self.folder, stdout=log, stderr=log
            )
        self._wait_until_ready()

    def __enter__(self) -> "PostgresServer":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.send_signal(signal.SIGINT)  # a fast shutdown: clients are cut off
        self._process.wait(timeout=60)
        shutil.rmtree(self.folder)

    def new_database(self, template: str = "template1") -> str:
        """Makes a database with what the template holds, and gives its URL."""
        name = f"corpus_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"postgresql://ragfleet@/{name}?host={self.folder}"

    def drop(self, url: str) -> None:
        """Drops a database, whoever is still connected to it."""
        self.execute(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Executes a statement outside of any transaction, as the superuser."""
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.folder), user="ragfleet", dbname="postgres", autocommit=True
        )

    def _wait_until_ready(self) -> None:
        # It listens before it answers, and refuses until it does.
        for _ in range(START_TIMEOUT_S * 10):
            with contextlib.suppress(psycopg.OperationalError), self._connect():
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.1)
                break
        log = (self.folder / "server.log").read_text()
        raise RuntimeError(f"PostgreSQL did not start: {log}")

    def _run(self, *command: object) -> subprocess.CompletedProcess[bytes]:
        words = list(map(str, command))
        return subprocess.run(
            words, user=self._user, cwd=self.folder, check=False, stdout=subprocess.DEVNULL
        )


def _unprivileged_user() -> str | None:
    """Who runs the server: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _roomy_memory() -> str | None:
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES
    return str(memory) if roomy else None
