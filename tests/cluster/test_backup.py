"""A backup of a corpus in use holds all that was acknowledged before, and comes back whole."""

import json
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cluster.backup import main as backup
from cluster.keeping.backups import BackupError, make_backup, read_backup, restore_backup
from cluster.restore import main as restore
from index.catalog.catalog import Catalog
from index.catalog.revision import REVISION
from index.records import ChunkDraft

ROOT = Path(__file__).parents[2]


def add(catalog, store_id, text):
    """Uploads and indexes a document; on return it is acknowledged."""
    file_id = catalog.create_file(filename="é.md", purpose="assistants", data=text.encode()).id
    catalog.attach_file(store_id, file_id, attributes={"year": 2024, "draft": True})
    job = catalog.claim_job("a", 60)
    drafts = [ChunkDraft(text=text, title="t", char_start=0, char_end=1, ordinal=0)]
    vectors = np.ones((1, 4), dtype=np.float32) / 2
    catalog.complete_job(job, drafts, vectors, "words@1")
    return file_id


class Writer(threading.Thread):
    """Writes until it is stopped; keeps when each document was acknowledged."""

    def __init__(self, url, store_id):
        super().__init__()
        self.catalog, self.store_id = Catalog(url), store_id
        self.acknowledged, self.is_stopped = {}, threading.Event()

    def run(self):
        number = 0
        while not self.is_stopped.is_set():
            file_id = add(self.catalog, self.store_id, f"Document {number}.")
            self.acknowledged[file_id] = (time.time(), f"Document {number}.")
            number += 1
        self.catalog.close()


@pytest.fixture
def filled(url):
    """A corpus with a document, deleted rows, values of every kind."""
    catalog = Catalog(url)
    store_id = catalog.create_store(name="docs", metadata={"a": "ü"}).id
    for number in range(3):
        add(catalog, store_id, f"Text {number}.")
    catalog.delete_file(add(catalog, store_id, "Gone."))
    catalog.close()
    return url, store_id


@pytest.fixture
def saved(filled, tmp_path):
    make_backup(filled[0], tmp_path / "saved")
    return tmp_path / "saved"


def wait_for_more(writer, count):
    last, deadline = len(writer.acknowledged), time.monotonic() + 60
    while len(writer.acknowledged) < last + count and time.monotonic() < deadline:
        time.sleep(0.02)


def backups_while_written(url, store_id, folder):
    """Three backups beside a writer; what it was told, and when."""
    writer = Writer(url, store_id)
    writer.start()
    try:
        made = []
        for number in range(3):
            wait_for_more(writer, 8)
            made.append(make_backup(url, folder / str(number)))
        wait_for_more(writer, 2)
    finally:
        writer.is_stopped.set()
        writer.join()
    return writer.acknowledged, made


def test_nothing_acknowledged_before_a_backup_is_missing(filled, databases, tmp_path):
    acknowledged, made = backups_while_written(*filled, tmp_path)
    told, new = made[-1], databases.new()
    before = {id_: text for id_, (at, text) in acknowledged.items() if at < told.started_at}
    assert 24 <= len(before) < len(acknowledged)  # it was written on meanwhile
    assert made[0].mark < made[1].mark < told.mark
    restore_backup(tmp_path / "2", new)
    with closing(Catalog(new)) as restored:
        assert restored.head() == told.mark
        for file_id, text in before.items():
            assert restored.file_content(file_id) == text.encode()
            assert restored.store_file_text(filled[1], file_id) == (f"t\n{text}",)
        add(restored, filled[1], "It goes on.")
    databases.drop(new)


@pytest.mark.postgres
def test_a_backup_of_either_database_restores_to_the_other(saved, postgres_server, tmp_path):
    elsewhere = postgres_server.new_database()
    told = restore_backup(saved, elsewhere)
    make_backup(elsewhere, tmp_path / "again")
    again = read_backup(tmp_path / "again")
    assert again.tables == told.tables
    restore_backup(tmp_path / "again", f"sqlite:///{tmp_path}/back.db")
    make_backup(f"sqlite:///{tmp_path}/back.db", tmp_path / "third")
    assert read_backup(tmp_path / "third").tables == told.tables
    postgres_server.drop(elsewhere)


def test_numbers_go_on_after_a_restore(saved, filled, databases):
    new = databases.new()
    restore_backup(saved, new)
    catalog = Catalog(new)
    old = [one.id for one in catalog.list_files().items]
    file_id = add(catalog, filled[1], "New.")
    assert catalog.list_files().items[0].id == file_id
    assert len(catalog.list_files().items) == len(old) + 1
    catalog.close()
    databases.drop(new)


def test_a_database_that_holds_something_is_not_overwritten(saved, filled):
    with pytest.raises(BackupError, match=r"already.*restore into a new"):
        restore_backup(saved, filled[0])


@pytest.mark.parametrize("end", ["-journal", "-wal", "-shm"])
def test_a_journal_of_an_older_file_is_not_played_back_over_a_restored_one(tmp_path, end):
    url = f"sqlite:///{tmp_path}/old.db"
    Catalog(url).close()
    make_backup(url, tmp_path / "saved")
    (tmp_path / f"new.db{end}").write_bytes(b"old")
    with pytest.raises(BackupError, match=f"new.db{end} is there already"):
        restore_backup(tmp_path / "saved", f"sqlite:///{tmp_path}/new.db")
    assert not (tmp_path / "new.db").exists()


def test_a_damaged_backup_is_refused(saved, databases):
    path = saved / "catalog.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupError, match=r"catalog\.db is damaged: its sha256 is"):
        restore_backup(saved, databases.new())


def test_a_document_that_is_not_what_was_uploaded_is_told(tmp_path):
    url = f"sqlite:///{tmp_path}/old.db"
    catalog = Catalog(url)
    add(catalog, catalog.create_store(name="s").id, "Text.")
    catalog.close()
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("UPDATE files SET content = x'00'")
        connection.commit()
    with pytest.raises(BackupError, match="is not what was uploaded"):
        make_backup(url, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_rows_that_differ_after_a_restore_are_told(tmp_path):
    url = f"sqlite:///{tmp_path}/old.db"
    Catalog(url).close()
    make_backup(url, tmp_path / "saved")
    told = json.loads((tmp_path / "saved" / "backup.json").read_text())
    told["tables"]["files"]["num_rows"] = 7
    (tmp_path / "saved" / "backup.json").write_text(json.dumps(told))
    with pytest.raises(BackupError, match="table files differs after the restore"):
        restore_backup(tmp_path / "saved", f"sqlite:///{tmp_path}/new.db")


def test_a_backup_of_a_newer_version_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/old.db"
    Catalog(url).close()
    make_backup(url, tmp_path / "saved")
    text = (tmp_path / "saved" / "backup.json").read_text()
    (tmp_path / "saved" / "backup.json").write_text(text.replace(f'"{REVISION}"', '"9999"'))
    with pytest.raises(BackupError, match="schema revision 9999, this code knows 0001"):
        restore_backup(tmp_path / "saved", f"sqlite:///{tmp_path}/new.db")


def test_the_commands_make_check_and_restore(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/old.db"
    Catalog(url).close()
    out = tmp_path / "saved"
    config = str(ROOT / "cluster.yaml")
    assert backup([str(out), "--database", url, "--config", config]) == 0
    assert "verified" in capsys.readouterr().out
    assert out.stat().st_mode & 0o777 == 0o700  # keys, usage and the audit log are in it
    assert (out / "config" / "cluster.yaml").read_bytes() == (ROOT / "cluster.yaml").read_bytes()
    assert restore([str(out), "--check"]) == 0
    assert restore([str(out), "--database", f"sqlite:///{tmp_path}/new/new.db"]) == 0
    assert "every row compared" in capsys.readouterr().out
    assert backup([str(out), "--database", url]) == 1
    assert "never overwrites another" in capsys.readouterr().out
    assert backup([str(tmp_path / "x"), "--database", f"sqlite:///{tmp_path}/none.db"]) == 1
    assert "there is no catalog at" in capsys.readouterr().out
    shutil.rmtree(out)
    assert restore([str(out), "--check"]) == 1
    assert "is no backup" in capsys.readouterr().out
