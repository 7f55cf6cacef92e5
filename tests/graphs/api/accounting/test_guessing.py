"""Who guesses keys has to wait; nobody else has to because of that."""

from dataclasses import replace

import pytest

from graphs.settings import AuthSettings
from index.catalog.keys.records import KeyGrant

FOREIGN = {"origin": "https://bad.example"}
MODELS = "/v1/models"


@pytest.fixture
def with_keys(api_app, limits):
    """The application that wants keys, where three refusals a minute are let pass."""
    limits(failures_per_min=3)
    services = api_app.state.services
    config = services.config.model_copy(update={"auth": AuthSettings(keys=True)})
    api_app.state.services = replace(services, config=config)
    api_app.state.accounts.failures._clock = lambda: 1000.0  # no wait ends meanwhile


@pytest.fixture
def good(api_catalog):
    grant = KeyGrant(scopes=frozenset({"query"}))
    return {"authorization": f"Bearer {api_catalog.create_key(grant).token}"}


def guess(number=0):
    return {"authorization": f"Bearer guess{number}"}


async def statuses(http, method, path, *, times=6, headers=None):
    return [
        (await http.request(method, path, headers=headers or guess(number))).status_code
        for number in range(times)
    ]


async def test_an_address_that_is_refused_again_and_again_has_to_wait(api_http, with_keys, good):
    assert (await api_http.get(MODELS, headers=good)).status_code == 200
    assert await statuses(api_http, "GET", MODELS) == [401, 401, 401, 401, 429, 429]
    # A key that was let in before is not locked out.
    assert (await api_http.get(MODELS, headers=good)).status_code == 200
    waits = await api_http.get(MODELS, headers=guess())
    assert waits.headers["retry-after"] == "2"
    away = {"x-forwarded-for": "203.0.113.9"}  # the proxy on this machine says: somebody else
    assert (await api_http.get(MODELS, headers=away)).status_code == 401


async def test_what_a_key_does_not_allow_counts_too(api_http, with_keys, good):
    tries = await statuses(api_http, "GET", "/admin/v1/keys", headers=good)
    assert tries == [403, 403, 403, 403, 429, 429]


async def test_open_routes_answer_whoever_has_to_wait_and_vouch_for_no_key(api_http, with_keys):
    for path in ("/healthz", "/openapi.json"):
        assert set(await statuses(api_http, "GET", path)) == {200}
    assert await statuses(api_http, "GET", MODELS) == [401, 401, 401, 401, 429, 429]
    for path in ("/", "/healthz", "/readyz", "/docs"):
        assert (await api_http.get(path)).status_code == 200
    assert (await api_http.head("/healthz")).status_code == 200


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
async def test_a_foreign_page_does_not_let_its_reader_wait(api_http, with_keys, good, method):
    refused = await statuses(api_http, method, "/v1/chat/completions", times=9, headers=FOREIGN)
    assert set(refused) == {403 if method == "POST" else 401}
    assert (await api_http.get(MODELS, headers=good)).status_code == 200


async def test_a_preflight_with_a_key_is_a_guess(api_http, with_keys):
    assert await statuses(api_http, "OPTIONS", MODELS) == [401, 401, 401, 401, 429, 429]


async def test_without_keys_nobody_waits(api_http, limits):
    limits(failures_per_min=3)
    for path in ("/v1/chat/completions", "/mcp"):
        assert set(await statuses(api_http, "POST", path, headers=FOREIGN)) == {403}
    for path in ("/", "/healthz", "/readyz", MODELS):
        assert (await api_http.get(path)).status_code == 200
