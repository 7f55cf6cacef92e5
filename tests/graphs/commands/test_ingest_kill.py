"""The command that loads many documents, on a Ray cluster of its own, killed and run again."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from graphs.commands.ingest import FAILED
from index.catalog.catalog import Catalog
from index.errors import UnknownStoreError

ROOT = Path(__file__).parents[3]
NUM_GOOD = 29
WAIT_S = 400  # the machines that run this are shared


@pytest.fixture
def folder():
    """Its name leaves room for the paths of Ray's sockets (108 characters, unix(7))."""
    with tempfile.TemporaryDirectory(prefix="rf", ignore_cleanup_errors=True) as made:
        yield Path(made)
        for pid in ray_processes(made):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def documents(folder):
    (folder / "docs").mkdir()
    for number in range(NUM_GOOD):
        text = "\n\n".join(
            f"Shelf {shelf} of room {number} holds the books about subject {shelf * number}, in "
            f"order of their years, and beside them the maps that belong to them."
            for shelf in range(24)
        )
        (folder / "docs" / f"room-{number:02}.md").write_text(f"# Room {number}\n\n{text}\n")
    (folder / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing of one")
    return folder / "docs"


@contextmanager
def loading(folder, documents):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAGFLEET_DATABASE_URL": f"sqlite:///{folder}/corpus.db",
    }
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        environment.pop(name, None)
    command = [
        sys.executable,
        "-m",
        "graphs.commands.ingest",
        documents,
        "--store",
        "docs",
        "--cpus",
        "1",
    ]
    with (folder / "ingest.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--report", folder / "report.json"],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ray_processes(folder):
    """Processes whose environment names this cluster's own folder."""
    mark = f"RAY_TMPDIR={folder}".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(FileNotFoundError, PermissionError, ProcessLookupError):
            if mark in path.read_bytes().split(b"\0"):
                found.add(int(path.parent.name))
    return found


def wait_for(reached, what):
    deadline = time.monotonic() + WAIT_S
    while not (result := reached()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
    return result


def names_in(catalog):
    try:
        store_id = catalog.find_store("docs").id
    except UnknownStoreError:
        return []
    return [one.filename for one in catalog.list_store_files(store_id, limit=100).items]


@pytest.mark.ray
@pytest.mark.systems
def test_a_load_that_was_killed_is_run_again_and_every_document_is_there_once(folder, documents):
    catalog = Catalog(f"sqlite:///{folder}/corpus.db")
    log = folder / "ingest.log"
    with loading(folder, documents) as process:

        def has_begun():
            assert process.poll() is None, log.read_text()
            return names_in(catalog)

        wait_for(has_begun, log.read_text)
        assert len(ray_processes(folder)) > 1
        process.kill()
        assert process.wait(timeout=30) == -signal.SIGKILL
    # Its cluster dies with it: nobody goes on with the load.
    wait_for(lambda: not ray_processes(folder), lambda: str(ray_processes(folder)))
    num_before = len(names_in(catalog))
    assert 0 < num_before < NUM_GOOD

    with loading(folder, documents) as process:
        assert process.wait(timeout=WAIT_S) == FAILED, log.read_text()
    report = json.loads((folder / "report.json").read_text())
    assert (report["num_present"], report["num_loaded"]) == (num_before, NUM_GOOD - num_before)
    assert [one["name"] for one in report["failures"]] == ["broken.pdf"]
    assert sorted(names_in(catalog)) == sorted(path.name for path in documents.glob("*.md"))
    files = catalog.list_store_files(catalog.find_store("docs").id, limit=100).items
    for file in files:
        text = " ".join(catalog.store_file_text(file.store_id, file.file_id))
        assert text.count("Shelf 23 of room") == 1
    catalog.close()
