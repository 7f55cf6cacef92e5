import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.catalog.engine import IDLE_TIMEOUT_MS, LOCK_TIMEOUT_MS, is_sqlite, open_engine
from index.errors import CorpusUnavailableError

ROOT = Path(__file__).parents[3]
COMMIT_ONE_FILE = """
import sys
from index.catalog.catalog import Catalog

catalog = Catalog(sys.argv[1])
print("opened", flush=True)
catalog.create_file(filename="a.md", purpose="assistants", data=b"words " * 1000)
print("acknowledged", flush=True)
"""
STOP_INSIDE = """
import os
import signal
import sys
from index.catalog.catalog import Catalog
from index.catalog.database import log_changes
from index.catalog.engine import is_sqlite

catalog = Catalog(sys.argv[1])
with catalog._write() as connection:
    log_changes(connection, "upsert", [("vs_paused", "file-paused")])
    if not is_sqlite(connection):
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 200")
    print("inside", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    log_changes(connection, "upsert", [("vs_paused", "file-paused")])
"""


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url):
    with pytest.raises(ValueError, match="needs a file"):
        open_engine(url)


@pytest.mark.parametrize("scheme", ["mysql", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_another_database_or_driver_is_refused_without_telling_the_password(scheme):
    with pytest.raises(ValueError, match=r"postgresql://.* got a URL of ") as caught:
        open_engine(f"{scheme}://user:secret@host/name")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_name_of_postgresql_leads_to_psycopg(scheme):
    assert open_engine(f"{scheme}://host/name").url.drivername == "postgresql+psycopg"


def test_the_settings_that_keep_writes_safe_are_on(corpus):
    engine = corpus.catalog._engine
    if is_sqlite(engine):
        assert settings_of(engine, "PRAGMA ", ["journal_mode", "synchronous", "foreign_keys"]) == [
            "delete",
            3,  # EXTRA
            1,
        ]
        return
    names = ["synchronous_commit", "transaction_isolation", "lock_timeout"]
    assert settings_of(engine, "SHOW ", [*names, "idle_in_transaction_session_timeout"]) == [
        "on",  # the tests' server has it off
        "read committed",
        f"{LOCK_TIMEOUT_MS // 1000}s",
        f"{IDLE_TIMEOUT_MS // 1000}s",
    ]


def settings_of(engine, command, names):
    with engine.connect() as connection:
        return [connection.exec_driver_sql(command + name).scalar_one() for name in names]


def test_a_server_that_is_out_of_reach_is_told_without_the_password(tmp_path):
    url = f"postgresql://user:secret@/name?host={tmp_path}"
    with pytest.raises(CorpusUnavailableError, match="the database of the corpus: ") as caught:
        Catalog(url)
    assert "secret" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.postgres
def test_a_catalog_goes_on_after_its_connections_were_cut(postgres_server):
    url = postgres_server.new_database()
    catalog = Catalog(url)
    postgres_server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{catalog._engine.url.database}'"
    )
    assert catalog.head() == 0
    catalog.close()
    postgres_server.drop(url)


@pytest.fixture
def paused_writer(url):
    """A process that stopped itself inside a transaction which has written already."""
    writer = subprocess.Popen(
        [sys.executable, "-c", STOP_INSIDE, url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout.readline() == "inside\n"
        assert os.WIFSTOPPED(os.waitpid(writer.pid, os.WUNTRACED)[1])
        yield writer
    finally:
        writer.kill()
        writer.communicate()


def test_a_writer_that_is_paused_inside_its_transaction_costs_others_a_pause_at_most(
    corpus, paused_writer
):
    sqlite = is_sqlite(corpus.catalog._engine)
    if sqlite:  # its lock is the process's own: only the process can give it back
        paused_writer.send_signal(signal.SIGCONT)
    corpus.add(corpus.store(), ["words"])
    paused_writer.send_signal(signal.SIGCONT)
    errors = paused_writer.stderr.read()
    assert (paused_writer.wait() == 0) == sqlite
    assert sqlite or "CorpusUnavailableError" in errors
    numbers = [change.number for change in corpus.catalog.changes_since(0)]
    assert numbers == ([1, 2, 3] if sqlite else [1])


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
def test_sqlite_has_synced_a_commit_before_it_is_acknowledged(tmp_path):
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,write,pwrite64,unlink,unlinkat"
    program = [sys.executable, "-c", COMMIT_ONE_FILE, f"sqlite:///{tmp_path}/corpus.db"]
    subprocess.run(
        ["strace", "-f", "-y", "-e", calls, "-o", trace, *program],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    lines = trace.read_text().splitlines()
    opened, acknowledged = (number_of(lines, "write(1", word) for word in ("opened", "acknowl"))
    commit = lines[opened:acknowledged]
    database, journal = f"<{tmp_path}/corpus.db>", f"<{tmp_path}/corpus.db-journal>"
    steps = [
        number_of(commit, "write", journal),  # what was there before
        number_of(commit, "sync(", journal),
        number_of(commit, "write", database),
        number_of(commit, "sync(", database),
        number_of(commit, "unlink", "corpus.db-journal"),  # this commits
        number_of(commit, "sync(", f"<{tmp_path}>"),
    ]
    assert steps == sorted(steps)
    assert len(set(steps)) == len(steps)


def number_of(lines, call, named):
    """The last line of the trace with this call on this file."""
    numbers = [i for i, line in enumerate(lines) if call in line and named in line]
    assert numbers, f"no {call} of {named}"
    return numbers[-1]
