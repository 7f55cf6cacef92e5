"""Backups in a bucket, of a server that speaks S3 (Moto's, in a process of its own)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow.fs import FileSystem

from cluster.backup import main as backup
from cluster.keeping import elsewhere
from cluster.keeping.backups import BackupError, read_backup
from cluster.keeping.elsewhere import fetched, make_backup_at
from cluster.restore import main as restore
from index.catalog.catalog import Catalog


@pytest.fixture(scope="module")
def server():
    folders = [one for path in sys.path if (one := Path(path) / "clouds" / "moto").is_dir()]
    if not folders:
        pytest.skip("`make test-launch` installs Moto")
    env = os.environ | {"PYTHONPATH": str(folders[0].parent), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        said = iter(process.stderr.readline, "")
        yield next(found[1] for line in said if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        process.kill()


@pytest.fixture
def bucket(server, monkeypatch, request):
    """A URL of a place in a new bucket, and the way to what lies there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    name = f"b{abs(hash(request.node.name))}"
    options = f"endpoint_override=127.0.0.1:{server}&scheme=http&region=us-east-1"
    url = f"s3://{name}/backups/monday?{options}"
    filesystem, path = FileSystem.from_uri(f"{url}&allow_bucket_creation=true")
    filesystem.create_dir(name)
    return url, filesystem, path


@pytest.fixture
def filled(tmp_path):
    url = f"sqlite:///{tmp_path}/corpus.db"
    catalog = Catalog(url)
    catalog.create_store(name="docs")
    catalog.create_file(filename="é.md", purpose="assistants", data=os.urandom(20_000_000))
    catalog.close()
    return url


def test_a_backup_in_a_bucket_comes_back_whole(bucket, filled, tmp_path, capsys):
    url, filesystem, path = bucket
    config = tmp_path / "cluster.yaml"
    config.write_text("a: 1\n")
    assert backup([url, "--database", filled, "--config", str(config)]) == 0
    assert "verified" in capsys.readouterr().out
    assert filesystem.open_input_file(f"{path}/config/cluster.yaml").read() == b"a: 1\n"
    assert restore([url, "--check"]) == 0
    assert restore([url, "--database", f"sqlite:///{tmp_path}/new.db"]) == 0
    assert "every row compared" in capsys.readouterr().out
    assert backup([url, "--database", filled]) == 1
    assert "is there already: a backup never overwrites another" in capsys.readouterr().out


def test_what_was_changed_in_the_bucket_is_found(bucket, filled, capsys):
    url, filesystem, path = bucket
    make_backup_at(filled, url)
    with filesystem.open_output_stream(f"{path}/catalog.db") as out:
        out.write(b"other")
    assert restore([url, "--check"]) == 1
    assert "is damaged" in capsys.readouterr().out


def test_a_backup_that_was_not_sent_whole_is_none(bucket, filled, monkeypatch, capsys):
    url, filesystem, path = bucket
    copy, sent = elsewhere._copy, []

    def fails_at_the_last(source, out):
        sent.append(out)
        if len(sent) == 2:
            raise OSError("the connection broke")
        copy(source, out)

    monkeypatch.setattr(elsewhere, "_copy", fails_at_the_last)
    with pytest.raises(OSError, match="the connection broke"):
        make_backup_at(filled, url)
    assert elsewhere._files(filesystem, path) == []
    monkeypatch.undo()
    with pytest.raises(BackupError, match=r"has no backup\.json"), fetched(url):
        pass


def test_a_bucket_that_is_not_there_is_told(bucket, filled, capsys):
    url = bucket[0].replace("s3://b", "s3://other")
    assert backup([url, "--database", filled]) == 1
    assert "no backup was made" in capsys.readouterr().out


@pytest.mark.parametrize("command", [backup, restore])
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("gs://bucket/monday", "a folder or s3://..., nothing else"),
        ("s3://bucket?region=us-east-1&endpoint_override=127.0.0.1:9", "a folder in the bucket"),
    ],
)
def test_a_place_of_another_kind_is_no_folder_of_this_machine(command, place, told, capsys,
                                                              tmp_path, monkeypatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert command([place, "--database", f"sqlite:///{tmp_path}/corpus.db"]) == 1
    assert told in " ".join(capsys.readouterr().out.split())
    assert list(tmp_path.iterdir()) == []


class Bucket:
    """Has what nobody would send."""

    def get_file_info(self, selector):
        from pyarrow.fs import FileInfo, FileType

        return [FileInfo(f"b/x/{name}", FileType.File) for name in ("backup.json", "../../out")]

    def open_input_stream(self, path):
        return open(os.devnull, "rb")


def test_a_name_that_leads_out_of_the_folder_is_refused(monkeypatch):
    monkeypatch.setattr(elsewhere, "_opened", lambda place: (Bucket(), "b/x"))
    with pytest.raises(BackupError, match="leads out of it"), fetched("s3://b/x"):
        pass


def test_a_folder_stays_a_folder(filled, tmp_path):
    assert backup([str(tmp_path / "monday"), "--database", filled]) == 0
    assert read_backup(tmp_path / "monday").source == "sqlite"
