"""Each takes one rule away that keeps tenants and users apart: then something has to leave."""

from functools import lru_cache

from sqlalchemy import true

from graphs.observing.record import RecentRequests
from index.access import Viewer
from index.catalog import lookups
from index.catalog.keys import seen
from index.searching.store_index import StoreIndex
from tests.graphs.isolation.world import TENANTS


@lru_cache
def _every_tenant(_table, _viewer):
    return (true(),)


def open_lists(monkeypatch):
    admitted = seen._admitted
    monkeypatch.setattr(
        seen, "_admitted", lambda table, viewer: admitted(table, Viewer(tenant=viewer.tenant))
    )
    open_index(monkeypatch)


def open_index(monkeypatch):
    monkeypatch.setattr(Viewer, "admits", lambda _self, _access: True)
    monkeypatch.setattr(
        StoreIndex, "_allowed", lambda self, sent: self._files.allowed(sent.filters, None)
    )


def open_requests(monkeypatch):
    find = RecentRequests.find

    def found(self, request_id, _tenant, _since):
        return next((one for tenant in TENANTS if (one := find(self, request_id, tenant))), None)

    monkeypatch.setattr(RecentRequests, "find", found)


def open_tenants(monkeypatch):
    monkeypatch.setattr(seen, "_admitted", _every_tenant)


def forget():
    """What was remembered of the rules counts no more."""
    for one in (
        seen.seen_files, seen.seen_stores, seen.seen_uploads, lookups.every_store,
        lookups._named_stores, lookups._store_query,
    ):  # fmt: skip
        one.cache_clear()
