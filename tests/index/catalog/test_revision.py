import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import String, delete, insert, inspect, text
from sqlalchemy.exc import IntegrityError

from index.catalog import schema
from index.catalog.catalog import Catalog
from index.catalog.database import ensure_schema
from index.catalog.engine import for_migration, open_engine
from index.catalog.migrations import upgrade
from index.catalog.revision import REVISION, stored_revision
from index.errors import UnusableDatabaseError
from index.records import Attachment

ROOT = Path(__file__).parents[3]
OPEN = """
import sys
from index.catalog.catalog import Catalog

sys.stdin.readline()
print(Catalog(sys.argv[1]).head(), 'alembic' in sys.modules)
"""


@pytest.fixture
def engine(empty_url):
    engine = open_engine(empty_url)
    yield engine
    engine.dispose()


def revision_of(engine):
    with engine.begin() as connection:
        return stored_revision(connection)


def migrate_to(engine, revision, monkeypatch):
    """Leaves the database as an older version of the code would."""
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "REVISION", revision)
        upgrade.upgrade(engine)


def differences(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return compare_metadata(context, schema.metadata)


def test_an_empty_database_is_migrated_to_the_tables_of_the_code(engine):
    assert revision_of(engine) is None
    ensure_schema(engine)
    assert revision_of(engine) == REVISION
    assert differences(engine) == []
    with engine.begin() as connection, pytest.raises(IntegrityError):  # one head and no second
        connection.execute(insert(schema.head).values(id=2, number=0, next_chunk_id=1))


def test_tables_that_differ_from_the_code_would_be_seen(engine):
    ensure_schema(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_chunks_content_hash"))
        connection.execute(text("ALTER TABLE files ADD COLUMN planted INTEGER"))
    assert {difference[0] for difference in differences(engine)} == {"add_index", "remove_column"}


def test_the_code_names_the_newest_revision_and_each_has_one_before_it():
    scripts = upgrade.revisions()
    assert scripts.get_heads() == [REVISION]
    assert scripts.get_bases() == [upgrade.FIRST_REVISION]


def test_a_corpus_from_before_revisions_is_adopted_with_all_it_holds(
    engine, empty_url, monkeypatch
):
    migrate_to(engine, upgrade.FIRST_REVISION, monkeypatch)
    with engine.begin() as connection:  # what the first version wrote
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("UPDATE head SET number = 7"))
    catalog = Catalog(empty_url)
    assert (catalog.head(), revision_of(engine), differences(engine)) == (7, REVISION, [])
    catalog.close()


def test_an_older_revision_is_upgraded(engine, empty_url, monkeypatch):
    migrate_to(engine, upgrade.FIRST_REVISION, monkeypatch)
    assert revision_of(engine) == upgrade.FIRST_REVISION
    indexes = {index["name"] for index in inspect(engine).get_indexes("chunks")}
    assert "ix_chunks_content_hash" not in indexes
    Catalog(empty_url).close()
    assert (revision_of(engine), differences(engine)) == (REVISION, [])


def test_store_files_from_before_batches_are_kept_and_belong_to_none(
    engine, empty_url, monkeypatch
):
    migrate_to(engine, "0002", monkeypatch)
    with engine.begin() as connection:
        for row in (
            "vector_stores (id, name, metadata, created_at, last_active_at) "
            "VALUES ('vs_1', 'docs', '{}', 1, 1)",
            "files (id, filename, purpose, status, num_bytes, sha256, created_at, content) "
            "VALUES ('file-1', 'a.md', 'assistants', 'processed', 0, '', 1, '')",
            "store_files (store_id, file_id, status, attributes, usage_bytes, created_at) "
            "VALUES ('vs_1', 'file-1', 'completed', '{\"year\": 2024}', 5, 1)",
            "chunks (id, store_id, file_id, ordinal, title, text, char_start, char_end,"
            " content_hash) VALUES (1, 'vs_1', 'file-1', 0, '', 'words', 0, 5, '')",
        ):
            connection.execute(text("INSERT INTO " + row.replace(": ", "\\: ")))
    catalog = Catalog(empty_url)
    assert (revision_of(engine), differences(engine)) == (REVISION, [])
    record = catalog.get_store_file("vs_1", "file-1")
    assert (record.status, record.attributes) == ("completed", {"year": 2024})
    assert catalog.store_file_text("vs_1", "file-1") == ("words",)
    batch = catalog.create_file_batch("vs_1", [Attachment(file_id="file-1")])
    assert (batch.status, batch.file_counts.completed) == ("completed", 1)
    with engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(delete(schema.file_batches))
    catalog.delete_store("vs_1")
    catalog.close()


def test_a_newer_revision_is_refused_and_left_alone(engine, empty_url):
    ensure_schema(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnusableDatabaseError, match=rf"'9999', this code knows 0001\.\.{REVISION}"):
        Catalog(empty_url)
    assert revision_of(engine) == "9999"


def test_a_migration_that_fails_leaves_nothing(engine, monkeypatch):
    def fail(_connection):
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "_check_foreign_keys", fail)
        patch.setattr(upgrade.Operations, "context", fail)
        with pytest.raises(OSError, match="no room"):
            ensure_schema(engine)
    assert inspect(engine).get_table_names() == []


def test_a_migration_may_alter_a_table_that_others_refer_to(corpus):
    """SQLite can only copy the table and drop the old one, on which all rows depend."""
    store_id = corpus.store()
    file_id = corpus.add(store_id, ["words"])
    alone = for_migration(corpus.catalog._engine)
    with alone.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("files") as batch:
            batch.alter_column("purpose", existing_type=String(64), nullable=True)
    alone.dispose()
    (purpose,) = (
        c for c in inspect(corpus.catalog._engine).get_columns("files") if c["name"] == "purpose"
    )
    assert purpose["nullable"]
    assert corpus.catalog.store_file_text(store_id, file_id) == ("words",)


def test_catalogs_that_open_a_new_database_together_all_find_its_tables(empty_url):
    with ThreadPoolExecutor(4) as pool:
        catalogs = list(pool.map(lambda _: Catalog(empty_url), range(4)))
    assert [catalog.head() for catalog in catalogs] == [0, 0, 0, 0]
    for catalog in catalogs:
        catalog.close()


def test_processes_that_upgrade_together_migrate_once(engine, empty_url, monkeypatch):
    migrate_to(engine, upgrade.FIRST_REVISION, monkeypatch)
    replicas = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, empty_url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for replica in replicas:
        replica.stdin.write("go\n")
        replica.stdin.flush()
    assert [replica.communicate()[0].split()[0] for replica in replicas] == ["0"] * 3
    assert (revision_of(engine), differences(engine)) == (REVISION, [])


def test_a_start_on_a_current_database_imports_no_alembic(url):
    Catalog(url).close()
    done = subprocess.run(
        [sys.executable, "-c", OPEN, url],
        cwd=ROOT,
        input="go\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["0", "False"]


@pytest.mark.postgres
def test_a_database_that_cannot_hold_every_text_is_refused(postgres_server):
    postgres_server.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(UnusableDatabaseError, match="must be UTF8, got LATIN1"):
        Catalog(f"postgresql://ragfleet@/latin?host={postgres_server.folder}")
