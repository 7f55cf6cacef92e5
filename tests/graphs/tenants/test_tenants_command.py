"""`python -m graphs.tenants` on a real database, killed on the way."""

import json
import subprocess
import sys

import pytest

from graphs.commands.deeds import _user
from graphs.tenants.__main__ import main
from index.access import Viewer
from index.catalog.accounts.records import AuditQuery
from index.catalog.catalog import Catalog
from index.catalog.keys.records import KeyGrant

KILLED = """
import os, sys
from graphs.tenants.__main__ import main
from index.catalog.tenants.tenants import Tenants

whole = Tenants.delete_tenant_portion
def some(self, tenant):
    whole(self, tenant)
    os.kill(os.getpid(), 9)
Tenants.delete_tenant_portion = some
main(sys.argv[1:])
"""


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/corpus.db"
    monkeypatch.setenv("RAGFLEET_DATABASE_URL", url)
    catalog = Catalog(url)
    for tenant in ("acme", "birch"):
        catalog.create_key(KeyGrant(tenant=tenant, scopes=frozenset({"query"})))
        seen = catalog.seen_by(Viewer(tenant=tenant))
        ids = [
            seen.create_file(filename="a.md", purpose="assistants", data=b"x").id for _ in range(3)
        ]
        seen.create_store(name="s", file_ids=ids)
    yield catalog
    catalog.close()


def listed(capsys):
    assert main(["list", "--json"]) == 0
    rows = map(json.loads, capsys.readouterr().out.splitlines())
    return {row["id"]: (row["num_files"], row["num_stores"], row["num_keys"]) for row in rows}


def test_a_tenant_is_deleted_and_another_stays(catalog, capsys):
    whole = {"acme": (3, 1, 1), "birch": (3, 1, 1)}
    assert listed(capsys) == whole
    assert main(["delete", "acme"]) == 2
    assert listed(capsys) == whole
    assert main(["delete", "acme", "--yes", "--settle-s", "0"]) == 0
    assert "deleted tenant acme" in capsys.readouterr().err
    assert listed(capsys) == {"birch": (3, 1, 1)}
    assert main(["delete", "acme", "--yes", "--settle-s", "0"]) == 0
    assert "there is nothing of tenant 'acme'" in capsys.readouterr().err
    (row,) = catalog.audit(AuditQuery())
    told = (row.event, row.tenant, row.key_id, row.action)
    assert told == ("command", "acme", f"os:{_user()}", "graphs.tenants delete acme")


def test_a_deletion_that_was_killed_goes_on(catalog, capsys):
    command = [sys.executable, "-c", KILLED, "delete", "acme", "--yes", "--settle-s", "0"]
    assert subprocess.run(command, check=False).returncode == -9
    assert listed(capsys)["acme"] == (3, 1, 1)  # still told of
    assert [one.status_at(0) for one in catalog.list_keys("acme")] == ["revoked"]
    assert main(["delete", "acme", "--yes", "--settle-s", "0"]) == 0
    assert listed(capsys) == {"birch": (3, 1, 1)}
