"""Databases for tests: of both kinds that a corpus can lie in."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
from sqlalchemy import make_url

from index.catalog.catalog import Catalog
from tests.index.postgres_server import HOW_TO_GET_IT, PostgresServer, find_programs


@pytest.fixture(scope="session")
def new_folder() -> Iterator[Callable[[], Path]]:
    """Makes folders in memory where the system has such, since every commit waits for the disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield lambda: Path(mkdtemp(dir=folder))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None and os.environ.get("RAGFLEET_REQUIRE_POSTGRES") == "1":
        pytest.fail(f"{HOW_TO_GET_IT}; RAGFLEET_REQUIRE_POSTGRES=1 lets no test do without")
    if programs is None:
        pytest.skip(HOW_TO_GET_IT)
    with PostgresServer(programs) as server:
        yield server


@dataclass
class Databases:
    """Makes empty databases, and ready ones quickly, of one kind."""

    new: Callable[[], str]
    new_with_tables: Callable[[], str]
    drop: Callable[[str], None] = lambda _url: None


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def databases(request, new_folder) -> Databases:
    """What every test of the catalog runs on, one after the other."""
    if request.param == "sqlite":

        def new_file() -> str:
            return f"sqlite:///{new_folder()}/missing folder/corpus.db"

        ready = Path(str(make_url(new_file()).database))
        Catalog(f"sqlite:///{ready}").close()

        def new_with_tables() -> str:
            folder = new_folder()
            shutil.copy(ready, folder / "corpus.db")
            return f"sqlite:///{folder}/corpus.db"

        return Databases(new=new_file, new_with_tables=new_with_tables)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template = server.new_database()
    Catalog(template).close()
    return Databases(
        new=server.new_database,
        new_with_tables=lambda: server.new_database(template=make_url(template).database),
        drop=server.drop,
    )


@pytest.fixture
def empty_url(databases) -> Iterator[str]:
    """A database that no catalog has opened."""
    url = databases.new()
    yield url
    databases.drop(url)


@pytest.fixture
def url(databases) -> Iterator[str]:
    url = databases.new_with_tables()
    yield url
    databases.drop(url)
