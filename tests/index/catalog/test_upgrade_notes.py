"""docs/upgrading.md tells every revision, and what it promises of all of them holds."""

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect

from index.catalog.engine import open_engine
from index.catalog.migrations import upgrade

PAGE = Path(__file__).parents[3] / "docs" / "upgrading.md"
SCRIPTS = {one.revision: one for one in upgrade.revisions().walk_revisions()}


def test_every_revision_is_told_in_its_own_words():
    rows = re.findall(r"^\| (\d{4}) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    said = {name: one.module.__doc__.splitlines()[0] for name, one in SCRIPTS.items()}
    assert rows == sorted(said.items())


def tables(engine):
    """Of each table: column -> whether a row can be written without it."""
    seen = inspect(engine)
    return {
        table: {
            one["name"]: bool(one["nullable"] or one["default"] or one["name"] == "seq")
            for one in seen.get_columns(table)
        }
        for table in seen.get_table_names()
    }


def lost(before, after):
    """What code that knows the tables of before would miss, or could not write."""
    for table, columns in before.items():
        now = after.get(table, {})
        yield from (f"{table}.{name} is gone" for name in columns.keys() - now.keys())
        added = now.keys() - columns.keys()
        yield from (f"{table}.{name} must be written" for name in added if not now[name])


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """The tables at each revision, on SQLite; the other database has the same (test_revision)."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('revisions') / 'corpus.db'}")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for revision in sorted(SCRIPTS):
            patch.setattr(upgrade, "REVISION", revision)
            upgrade.upgrade(engine)
            found[revision] = tables(engine)
    engine.dispose()
    return found


@pytest.mark.parametrize("revision", sorted(SCRIPTS)[1:])
def test_a_replica_of_the_version_before_goes_on_beside_the_new_ones(steps, revision):
    """A revision that cannot keep this needs two releases, and a page that says so."""
    before = SCRIPTS[revision].down_revision
    assert list(lost(steps[before], steps[revision])) == []


def test_what_would_end_the_version_before_is_found():
    before = {"files": {"id": False, "name": True}, "jobs": {"id": False}}
    after = {"files": {"id": False, "tenant": False, "key": True}}
    told = {"files.name is gone", "files.tenant must be written", "jobs.id is gone"}
    assert set(lost(before, after)) == told
