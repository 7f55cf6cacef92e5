"""API keys in the catalog, on both databases."""

from pathlib import Path

import pytest

from index.catalog.keys.records import KeyGrant, token_digest, token_id
from index.errors import InvalidAttributesError, InvalidKeyError, UnknownKeyError

GRANT = KeyGrant(scopes=frozenset({"query"}), tenant="acme", user="ann", groups=frozenset({"g"}))


def authenticated(catalog, token):
    return catalog.authenticate_key(token_id(token), token_digest(token))


def test_a_key_is_known_by_its_text_alone_and_the_text_is_not_kept(catalog, url):
    new = catalog.create_key(GRANT)
    found = authenticated(catalog, new.token)
    assert (found.tenant, found.user, found.groups) == ("acme", "ann", frozenset({"g"}))
    assert new.token not in repr(new)
    assert catalog.authenticate_key(new.record.id, token_digest(new.token + "x")) is None
    assert catalog.authenticate_key("0" * 16, token_digest(new.token)) is None
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        stored = b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
        assert new.record.id.encode() in stored
        assert new.token.encode() not in stored
        assert new.token.rpartition(new.record.id)[2].encode() not in stored


def test_a_rotated_key_keeps_its_id_and_the_text_before_for_a_while(catalog, clock):
    new = catalog.create_key(GRANT)
    newer = catalog.rotate_key("acme", new.record.id, overlap_s=60)
    assert newer.record.id == new.record.id
    assert authenticated(catalog, newer.token).expires_at is None
    assert authenticated(catalog, new.token).expires_at == newer.record.previous_until
    clock.now += 60
    assert authenticated(catalog, new.token) is None
    assert authenticated(catalog, newer.token) is not None


def test_rotating_without_overlap_ends_the_text_before_at_once(catalog):
    new = catalog.create_key(GRANT)
    newer = catalog.rotate_key(None, new.record.id, overlap_s=0)
    assert authenticated(catalog, new.token) is None
    assert authenticated(catalog, newer.token)


def test_a_revoked_key_is_taken_no_more_and_cannot_be_rotated(catalog):
    new = catalog.create_key(GRANT)
    newer = catalog.rotate_key("acme", new.record.id, overlap_s=3600)
    revoked = catalog.revoke_key("acme", new.record.id)
    assert revoked.status_at(0) == "revoked"
    assert catalog.revoke_key("acme", new.record.id) == revoked
    assert [authenticated(catalog, one.token) for one in (new, newer)] == [None, None]
    with pytest.raises(InvalidKeyError, match="revoked"):
        catalog.rotate_key("acme", new.record.id, overlap_s=0)


def test_an_expired_key_is_taken_no_more(catalog, clock):
    expires_at = int(clock()) + 10
    new = catalog.create_key(KeyGrant(scopes=frozenset({"query"}), expires_at=expires_at))
    assert authenticated(catalog, new.token)
    clock.now += 10
    assert authenticated(catalog, new.token) is None


def test_its_use_is_noted_once_a_minute(catalog, clock):
    new = catalog.create_key(GRANT)
    times = []
    for _ in range(3):
        authenticated(catalog, new.token)
        times.append(catalog.get_key(None, new.record.id).last_used_at)
        clock.now += 40
    assert times[0] == times[1] < times[2]


def test_a_tenant_sees_its_own_keys_alone(catalog):
    new = catalog.create_key(GRANT)
    other = catalog.create_key(KeyGrant(scopes=frozenset({"admin"}), tenant="other"))
    assert [one.id for one in catalog.list_keys("acme")] == [new.record.id]
    assert len(catalog.list_keys(None)) == 2
    for call in (catalog.get_key, catalog.revoke_key):
        with pytest.raises(UnknownKeyError):
            call("acme", other.record.id)
    with pytest.raises(UnknownKeyError):
        catalog.rotate_key("acme", other.record.id, overlap_s=0)
    with pytest.raises(UnknownKeyError):
        catalog.get_key("acme", "a\0b")


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        ({"scopes": frozenset()}, InvalidKeyError, "got none"),
        ({"scopes": frozenset({"root"})}, InvalidKeyError, "got 'root'"),
        ({"scopes": frozenset({"read:vs_1"})}, InvalidKeyError, "got 'read:vs_1'"),
        ({"tenant": ""}, InvalidKeyError, "tenant must"),
        ({"tenant": "a/b"}, InvalidKeyError, "got 'a/b'"),
        ({"name": "x" * 257}, InvalidKeyError, "got 257"),
        ({"service_class": "first"}, InvalidKeyError, "got 'first'"),
        ({"limits": {"requests_per_min": 0}}, InvalidKeyError, "at least 1, got 0"),
        ({"expires_at": 1}, InvalidKeyError, "expires_at must be after now"),
        ({"user": "a|b"}, InvalidAttributesError, "without '|'"),
        ({"groups": frozenset({""})}, InvalidAttributesError, "1..128 characters"),
    ],
)
def test_a_key_that_means_nothing_is_refused(catalog, changed, error, told):
    with pytest.raises(error, match=told.replace("|", r"\|")):
        catalog.create_key(KeyGrant(**{**vars(GRANT), **changed}))
