"""`python -m graphs.keys` on a bare database."""

import json

import pytest

from graphs.access.short_key import short_key
from graphs.commands.deeds import _user
from graphs.keys.__main__ import main
from index.catalog.accounts.records import AuditQuery
from index.catalog.catalog import Catalog
from index.catalog.keys.records import token_digest, token_id


@pytest.fixture(autouse=True)
def database(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/corpus.db"
    monkeypatch.setenv("RAGFLEET_DATABASE_URL", url)
    return url


def created(capsys, *arguments):
    assert main(["create", *arguments]) == 0
    return capsys.readouterr().out.strip()


def authenticated(url, token):
    return Catalog(url).authenticate_key(token_id(token), token_digest(token))


def test_a_key_is_printed_alone_and_does_what_was_asked(capsys, database):
    token = created(
        capsys, "--scopes", "query,admin", "--tenant", "acme", "--user", "ann",
        "--groups", "a, b", "--limit", "requests_per_min=60", "--class", "priority",
        "--expires", "90d",
    )  # fmt: skip
    key = authenticated(database, token)
    assert (key.tenant, key.user, key.service_class) == ("acme", "ann", "priority")
    assert (key.scopes, key.groups) == (frozenset({"query", "admin"}), frozenset({"a", "b"}))
    assert key.limits == {"requests_per_min": 60}
    assert key.expires_at - key.created_at in range(90 * 86_400 - 2, 90 * 86_400 + 2)


def test_keys_are_listed_without_their_texts(capsys):
    token = created(capsys, "--scopes", "query")
    assert main(["list", "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["id"] == token_id(token)
    assert token.rpartition(token_id(token))[2] not in printed
    assert main(["list"]) == 0
    assert token_id(token) in capsys.readouterr().out


def test_rotation_and_revocation(capsys, database):
    token = created(capsys, "--scopes", "query")
    assert main(["rotate", token_id(token), "--overlap", "0s"]) == 0
    newer = capsys.readouterr().out.strip()
    assert authenticated(database, token) is None
    assert authenticated(database, newer).id == token_id(token)
    assert main(["revoke", token_id(token)]) == 0
    assert authenticated(database, newer) is None


def test_what_is_done_to_a_key_stands_in_the_audit_log(capsys, database):
    key_id = token_id(created(capsys, "--scopes", "query", "--tenant", "acme"))
    for arguments in (["rotate", key_id], ["revoke", key_id], ["revoke", "nokey"], ["list"]):
        main(arguments)
    rows = Catalog(database).audit(AuditQuery(tenant="acme", key_id=f"os:{_user()}"))
    assert [(row.event, row.action, row.decision) for row in rows] == [
        ("command", f"graphs.keys {deed} {key_id}", "allowed")
        for deed in ("create", "rotate", "revoke")
    ]
    assert {(row.address, row.request_id, row.status) for row in rows} == {("", "", None)}
    assert len(Catalog(database).audit(AuditQuery())) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "--scopes", "root"], "got 'root'"),
        (["revoke", "nokey"], "no key 'nokey'"),
        (["rotate", "nokey"], "no key 'nokey'"),
    ],
)
def test_what_makes_no_sense_is_told(capsys, arguments, told):
    assert main(arguments) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--scopes", "query", "--expires", "soon"],
        ["create", "--scopes", "query", "--limit", "wishes=3"],
        ["create", "--scopes", "query", "--limit", "requests_per_min=0"],
        ["create"],
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_short_key_ends_with_its_work(database):
    with short_key(database, name="t", life_s=60) as token:
        assert authenticated(database, token).tenant == "default"
    assert authenticated(database, token) is None
