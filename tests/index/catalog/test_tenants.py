"""The end of a tenant, on both databases: all of it goes, and nothing of others."""

import pytest
from sqlalchemy import func, select

from index.access import Viewer
from index.catalog.accounts.records import AuditRecord, Parcel, QuotaAsk, UsageRecord
from index.catalog.accounts.tables import quotas
from index.catalog.answers.records import Item, StoredResponse
from index.catalog.batches.records import NewBatch
from index.catalog.keys.records import KeyGrant, vouched_id
from index.catalog.schema import metadata
from index.catalog.tenants import stored, tenants
from index.errors import UnknownStoreError
from index.records import Attachment
from index.searching.fold import Fold
from index.searching.request import SearchRequest
from index.shard import Shard
from tests.index.conftest import drafts_of, unit_vectors

# What is kept: what was used and done, ids in the log, and the counters of the database.
KEPT = {"usage", "usage_once", "account_writers", "audit_log", "changes", "head", "alembic_version"}


@pytest.fixture
def fill(corpus):
    """Gives a tenant some of everything."""

    def run(tenant):
        catalog = corpus.catalog
        seen = catalog.seen_by(Viewer(tenant=tenant, key_id=f"k-{tenant}"))
        key = catalog.create_key(KeyGrant(tenant=tenant, scopes=frozenset({"query"})))
        person = KeyGrant(tenant=tenant, scopes=frozenset({"query"}), user="ann", expires_at=2**31)
        catalog.admit_vouched(vouched_id("https://id", "ann", tenant), person)
        store_id = seen.create_store(name="s").id
        for number in range(3):
            file_id = seen.create_file(
                filename=f"{number}.md", purpose="assistants", data=tenant.encode()
            ).id
            seen.attach_file(store_id, file_id)
            job = corpus.claim()
            catalog.complete_job(job, drafts_of([tenant]), unit_vectors(1), "words@1")
        waiting = seen.create_file(filename="w.md", purpose="batch", data=b"w").id
        seen.create_store(name="t", file_ids=[waiting])
        seen.create_file_batch(store_id, [Attachment(file_id=waiting)])
        seen.create_conversation(tenant, metadata={}, items=[Item(id="i", data="{}")], keep_s=99)
        answer = StoredResponse(
            id=f"resp_{tenant}", tenant=tenant, key_id="k", created_at=0, status="queued",
            request="{}", items=(), body="{}",
        )  # fmt: skip
        seen.create_response(answer, keep_s=99)
        seen.say_feedback(tenant, "k", answer.id, {"rating": "up"})
        seen.create_batch(
            NewBatch(
                tenant=tenant, key_id="k", endpoint="/v1/embeddings", input_file_id=waiting,
                window_s=99,
            )
        )  # fmt: skip
        while catalog.claim_job("a", 1e6):  # the rows stay, and nobody gets them
            pass
        upload = seen.create_upload(
            filename="u.md", purpose="assistants", num_bytes=3, file_expires_after_s=None
        )
        seen.add_upload_part(upload.id, b"x")
        catalog.lease_quotas(
            [QuotaAsk(subject=f"{name}", kind="requests", window="minute", limit=5, wanted=1)
             for name in (f"tenant:{tenant}", f"key:{tenant}/{key.record.id}")]
        )  # fmt: skip
        usage = UsageRecord(
            day="2026-11-29", tenant=tenant, key_id="k", model="m", num_prompt_tokens=1,
            num_completion_tokens=1,
        )  # fmt: skip
        note = AuditRecord(
            at=corpus.clock(), event="request", request_id="r", tenant=tenant, key_id="",
            action="GET /", decision="allowed",
        )  # fmt: skip
        catalog.write_parcel(Parcel(writer=tenant, number=1, usage=(usage,), audit=(note,)))
        return store_id

    return run


def rows(catalog):
    """How many rows each table has."""
    with catalog._read() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
            if name not in KEPT
        }


def test_all_of_a_tenant_goes_and_others_stay(catalog, fill, monkeypatch):
    fill("acme")
    before = rows(catalog)
    store_id = fill("birch")
    (told,) = catalog.list_tenants("birch")
    assert (told.num_files, told.num_bytes, told.num_stores, told.num_passages) == (4, 16, 2, 3)
    assert (told.num_uploads, told.num_keys) == (1, 2)
    monkeypatch.setattr(stored, "ROWS_AT_ONCE", 2)
    head = catalog.head()
    assert catalog.revoke_tenant("birch") == 2
    assert {one.status_at(0) for one in catalog.list_keys("birch")} == {"revoked"}
    portions = 0
    while catalog.delete_tenant_portion("birch"):
        portions += 1
        assert [one.id for one in catalog.list_tenants()] == ["acme", "birch"]
    assert portions > 4
    catalog.forget_tenant("birch")
    assert rows(catalog) == before
    assert [one.id for one in catalog.list_tenants()] == ["acme"]
    assert catalog.head() >= head + 3  # searches are told
    assert store_id not in str(catalog.list_stores())
    assert [one.tenant for one in catalog.usage()] == ["acme", "birch"]


def test_every_search_index_forgets_a_tenant_also_one_that_had_it(catalog, fill):
    stores = {tenant: fill(tenant) for tenant in ("acme", "birch")}
    folds = [Fold(catalog), Fold(catalog), Fold(catalog, Shard(0, 2)), Fold(catalog, Shard(1, 2))]
    for fold in folds:
        fold.catch_up()
        assert stores["acme"] in fold.indexes
    while catalog.delete_tenant_portion("acme"):
        pass
    asked = SearchRequest(
        stores=(stores["acme"],), text="acme", mode="lexical", viewer=Viewer(tenant="acme")
    )
    for fold in folds:
        with pytest.raises(UnknownStoreError):
            fold.find(asked)
        fold.catch_up()
        assert list(fold.indexes) == [stores["birch"]]


def test_a_name_that_begins_alike_is_another(catalog, fill):
    for name in ("a", "a_", "ab", "A_"):
        fill(name)
    while catalog.delete_tenant_portion("a_"):
        pass
    catalog.forget_tenant("a_")
    assert [one.id for one in catalog.list_tenants()] == ["A_", "a", "ab"]
    with catalog._read() as connection:
        named = set(connection.execute(select(quotas.c.subject)).scalars())
    assert {one for one in named if one.startswith("tenant:")} == {
        "tenant:A_", "tenant:a", "tenant:ab"
    }  # fmt: skip
    assert len(named) == 6


def test_a_tenant_made_anew_is_as_old_as_its_oldest_key(catalog, corpus):
    for second in range(2):
        corpus.clock.now = 1000 + second
        catalog.create_key(KeyGrant(tenant="acme", scopes=frozenset({"query"})))
    assert catalog.tenant_since("acme") == 1000
    catalog.forget_tenant("acme")
    assert catalog.tenant_since("acme") is None


def test_one_key_may_stay_until_the_end(catalog):
    keys = [
        catalog.create_key(KeyGrant(tenant="acme", scopes=frozenset({"admin"}))).record.id
        for _ in range(2)
    ]
    assert catalog.revoke_tenant("acme", but=keys[0]) == 1
    assert catalog.revoke_tenant("acme", but=keys[0]) == 0
    assert catalog.get_key("acme", keys[0]).status_at(0) == "active"


def test_a_portion_is_light_so_that_others_need_not_wait_for_it(catalog, fill, monkeypatch):
    monkeypatch.setattr(stored, "BYTES_AT_ONCE", 7)
    monkeypatch.setattr(tenants, "_PASSAGES_AT_ONCE", 1)
    fill("acme")
    before = catalog.list_tenants("acme")[0]
    assert (before.num_passages, before.num_bytes) == (3, 13)
    while catalog.delete_tenant_portion("acme"):
        now = catalog.list_tenants("acme")[0]
        assert before.num_passages - now.num_passages <= 1
        assert before.num_bytes - now.num_bytes <= 7
        before = now
    assert (before.num_passages, before.num_bytes, before.num_uploads) == (0, 0, 0)
