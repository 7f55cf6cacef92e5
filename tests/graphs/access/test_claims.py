"""What the claims of identity providers mean here."""

import pytest

from graphs.access.claims import ClaimsError, grant_of
from graphs.settings import JwtSettings
from index.catalog.keys.records import is_vouched

KEYCLOAK = {
    "exp": 1_800_000_000, "iss": "https://id.example/realms/acme", "aud": ["ragfleet", "account"],
    "sub": "36fa0f91-f94d-4a0c-afed-6b7d952e47da", "typ": "Bearer", "azp": "web",
    "realm_access": {"roles": ["offline_access", "rag-admin"]},
    "resource_access": {"ragfleet": {"roles": ["rag-query"]}},
    "scope": "email profile", "preferred_username": "ann", "groups": ["/sales", "/staff/eu"],
}  # fmt: skip
ENTRA = {
    "exp": 1_800_000_000, "iss": "https://login.example/t/v2.0", "aud": "api://ragfleet",
    "sub": "pairwise", "oid": "11111111-2222-3333-4444-555555555555", "ver": "2.0",
    "tid": "99999999-2222-3333-4444-555555555555", "scp": "Rag.Query Rag.Ingest",
    "roles": ["Rag.Admin"], "groups": ["aaaaaaaa-0000-0000-0000-000000000000"],
}  # fmt: skip


def settings(**changed):
    given = {
        "issuer": "https://id.example/realms/acme", "audience": "ragfleet", "tenant": "acme",
        "scopes": {"*": ("query",)},
    }  # fmt: skip
    return JwtSettings(**(given | changed))


def test_a_token_of_keycloak():
    key_id, grant = grant_of(
        KEYCLOAK,
        settings(
            user_claim="preferred_username",
            groups_claim="groups",
            scope_claims=("realm_access.roles", "resource_access.ragfleet.roles"),
            scopes={"rag-query": ("query",), "rag-admin": ("admin", "metrics")},
        ),
    )
    assert is_vouched(key_id)
    assert (grant.tenant, grant.user) == ("acme", "ann")
    assert grant.groups == {"/sales", "/staff/eu"}
    assert grant.scopes == {"query", "admin", "metrics"}
    assert grant.expires_at == 1_800_000_000 + 86_400


def test_a_token_of_entra():
    chosen = settings(
        tenant=None,
        tenant_claim="tid",
        user_claim="oid",
        groups_claim="groups",
        scope_claims=("scp", "roles"),
        scopes={"Rag.Query": ("query",), "Rag.Ingest": ("ingest",), "Rag.Other": ("admin",)},
    )
    _, grant = grant_of(ENTRA, chosen)
    assert (grant.tenant, grant.user) == (ENTRA["tid"], ENTRA["oid"])
    assert grant.scopes == {"query", "ingest"}


def test_one_is_the_same_for_all_tokens_and_another_in_another_tenant():
    chosen = settings(tenant=None, tenant_claim="azp", user_claim="preferred_username")
    first, _ = grant_of(KEYCLOAK, chosen)
    assert grant_of(KEYCLOAK | {"exp": 1_900_000_000, "scope": ""}, chosen)[0] == first
    others = [{"azp": "other"}, {"sub": "other"}]
    assert first not in [grant_of(KEYCLOAK | one, chosen)[0] for one in others]


def test_a_claim_whose_name_has_dots_goes_before_a_path():
    name = "https://acme.example/tenant"
    claims = KEYCLOAK | {name: "t1", "a": {"b": "t2"}, "a.b": "t3"}
    for claim, tenant in ((name, "t1"), ("a.b", "t3")):
        chosen = settings(tenant=None, tenant_claim=claim)
        assert grant_of(claims, chosen)[1].tenant == tenant


def test_groups_that_no_list_can_name_are_left_out():
    told = ["sales", "*", "a|user:bob", "", "x" * 129, "a\nb", "\ud800"]
    _, grant = grant_of(KEYCLOAK | {"groups": told}, settings(groups_claim="groups"))
    assert grant.groups == {"sales"}
    _, grant = grant_of(KEYCLOAK | {"groups": "two words"}, settings(groups_claim="groups"))
    assert grant.groups == {"two words"}


@pytest.mark.parametrize(
    ("changed", "chosen", "told"),
    [
        ({"sub": None}, {}, "'sub' must be a text, got NoneType"),
        ({"sub": 7}, {}, "got int"),
        ({"tid": "a/b"}, {"tenant": None, "tenant_claim": "tid"}, "no name of a tenant"),
        ({}, {"tenant": None, "tenant_claim": "tid"}, "'tid' must be a text"),
        ({"tid": ["acme"]}, {"tenant": None, "tenant_claim": "tid"}, "got list"),
        ({"name": "a|user:root"}, {"user_claim": "name"}, "no name of a user"),
        ({"name": ""}, {"user_claim": "name"}, "'name' must be a text"),
        ({"groups": [{"id": 1}]}, {"groups_claim": "groups"}, "a list of texts"),
        ({"groups": [f"g{i}" for i in range(257)]}, {"groups_claim": "groups"}, "256 groups, got"),
        ({"scope": "other"}, {"scopes": {"rag": ("query",)}}, "allows anything"),
        ({"scope": {"rag": True}}, {}, "a list of texts"),
        ({"exp": True}, {}, "'exp' must be a number"),
        ({"exp": 10**300}, {}, "'exp' must be a number"),
        ({"exp": "1800000000"}, {}, "'exp' must be a number"),
    ],
)
def test_claims_that_say_too_little_are_refused(changed, chosen, told):
    with pytest.raises(ClaimsError, match=told.replace("[", r"\[")):
        grant_of(KEYCLOAK | changed, settings(**chosen))
