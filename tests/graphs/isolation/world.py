"""A world of tenants, users, stores and documents, and what each key may see of it.

What may be seen is told by plain sets here, not by the code under test. Every document holds a mark
of its own, so a reply that tells anything of it is found by its text.
"""

import json
import random
import uuid
from dataclasses import dataclass, field

import numpy as np

from index.access import Viewer, access_text
from index.catalog.keys.records import KeyGrant
from models.reranker import RerankScores
from tests.graphs.fake_stages import FakeStages, verdict

TENANTS = ("acme", "birch", "cedar")
WORDS = ["requests", "wait", "bounded", "queue", "until", "slot", "free", "nobody", "sees"]
QUESTION = "Where do requests wait until a slot is free?"


@dataclass(frozen=True)
class Document:
    id: str
    mark: str
    tenant: str
    access: frozenset | None


@dataclass(frozen=True)
class Store:
    id: str
    name: str
    tenant: str
    access: frozenset | None
    documents: tuple


@dataclass(frozen=True)
class Asker:
    token: str
    tenant: str
    principals: frozenset | None  # None: of every list
    stores: frozenset | None  # None: all
    writes: bool
    is_admin: bool

    def admitted(self, access):
        return access is None or self.principals is None or bool(access & self.principals)

    def sees_store(self, store):
        is_named = self.stores is None or store.id in self.stores
        return self.tenant == store.tenant and is_named and self.admitted(store.access)


@dataclass
class World:
    documents: list = field(default_factory=list)
    stores: list = field(default_factory=list)
    askers: list = field(default_factory=list)

    def hidden(self, asker, *, named=()):
        """Ids and marks that no reply to this asker may hold, but for those that it sent itself."""
        stores = [one for one in self.stores if asker.sees_store(one)]
        held = {document.id for one in self.stores if one.tenant == asker.tenant
                for document in one.documents
                if asker.stores is None or one.id in asker.stores}  # fmt: skip
        seen = {
            one.id for one in self.documents
            if one.tenant == asker.tenant and asker.admitted(one.access)
            and (asker.stores is None or one.id in held)
        }  # fmt: skip
        told = {one.id for one in self.stores} - {one.id for one in stores}
        for one in self.documents:
            if one.id not in seen:
                told |= {one.id, one.mark}
        return told - set(named)


def make_world(catalog, ingest, dice):
    world = World()
    for tenant in TENANTS:
        seen = catalog.seen_by(Viewer(tenant=tenant))
        for _ in range(9):
            world.documents.append(_document(seen, tenant, dice))
        for name in ("docs", "docs", "more", ""):
            world.stores.append(_store(seen, tenant, name, world.documents, dice))
        own = [one for one in world.stores if one.tenant == tenant]
        for user, groups, scopes in (
            (None, (), ("query",)),
            ("ann", ("sales",), ("query", "ingest")),
            ("bob", ("sales", "staff"), ("query",)),
            (None, ("*",), ("query", "ingest")),
            (None, ("*",), ("query", "ingest", "admin")),
            ("ann", ("staff",), (f"read:{own[0].id}", f"write:{own[2].id}")),
        ):
            world.askers.append(_asker(catalog, tenant, user, groups, scopes))
    ingest()
    return world


def jwt_settings(issuer):
    """Those of a Gateway that takes the tokens of `add_tokens`."""
    return {
        "issuer": issuer.url, "audience": "ragfleet", "tenant_claim": "tid",
        "groups_claim": "groups", "user_claim": "preferred_username", "scopes": {"*": ["query"]},
    }  # fmt: skip


def add_tokens(world, issuer):
    """Adds two of each tenant who come with a token of an identity provider.

    One names the group `*`, which only a key may have.
    """
    for tenant in TENANTS:
        for user, groups in (("ann", ["staff"]), ("bob", ["*", "other"])):
            token = issuer.token(
                sub=user, preferred_username=user, groups=groups, tid=tenant, exp=2**31
            )
            principals = frozenset({f"user:{user}", *(f"group:{one}" for one in groups)})
            world.askers.append(
                Asker(
                    token=token, tenant=tenant, principals=principals, stores=None,
                    writes=False, is_admin=False,
                )
            )  # fmt: skip


def _access(dice):
    choices = [
        None,
        None,
        {"group:sales"},
        {"group:staff", "user:ann"},
        {"user:bob"},
        {"group:SALES"},
        (),
    ]
    chosen = dice.choice(choices)
    return None if chosen is None else frozenset(chosen)


def _text(access):
    return None if access is None else access_text(access)


def _document(seen, tenant, dice):
    mark, access = f"mark{uuid.UUID(int=dice.getrandbits(128)).hex}", _access(dice)
    lines = [f"{mark} {' '.join(dice.sample(WORDS, len(WORDS)))}." for _ in range(3)]
    record = seen.create_file(
        filename=f"{mark}.txt", purpose="assistants", data="\n\n".join(lines).encode(),
        access=_text(access),
    )  # fmt: skip
    return Document(record.id, mark, tenant, access)


def _store(seen, tenant, name, documents, dice):
    access = dice.choice([None, None, _access(dice)])
    own = [one for one in documents if one.tenant == tenant]
    chosen = tuple(dice.sample(own, 6))
    ids = [one.id for one in chosen]
    store = seen.create_store(name=name, file_ids=ids, access=_text(access))
    return Store(store.id, name, tenant, access, chosen)


def _asker(catalog, tenant, user, groups, scopes):
    grant = KeyGrant(
        tenant=tenant, user=user, groups=frozenset(groups), scopes=frozenset(scopes)
    )  # fmt: skip
    token = catalog.create_key(grant).token
    principals = {f"group:{one}" for one in groups} | ({f"user:{user}"} if user else set())
    limited = frozenset(one.partition(":")[2] for one in scopes if ":" in one)
    return Asker(
        token=token,
        tenant=tenant,
        principals=None if "*" in groups else frozenset(principals),
        stores=limited or None,
        writes="ingest" in scopes or bool(limited),
        is_admin="admin" in scopes,
    )


class TellingStages(FakeStages):
    """A generator that writes all that it reads, and a reranker that likes everything."""

    def __init__(self):
        super().__init__(context_tokens=4000)

    async def rerank(self, query, documents):
        return RerankScores(scores=np.full(len(documents), 0.9, np.float32), num_tokens=1)

    async def classify(self, texts):
        return tuple(verdict(flagged=False) for _ in texts)

    def stream(self, request):
        read = json.dumps([getattr(one, "content", "") for one in request.messages], default=str)
        self.answer = (read, " [1] [2]")
        return super().stream(request)


def dice_of(seed):
    return random.Random(seed)
