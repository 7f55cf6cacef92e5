"""The keys of an identity provider: when it is asked, and what of its answers is believed."""

import asyncio

import pytest

from graphs.access.issuer_keys import IssuerKeys
from graphs.errors import IssuerUnavailableError
from tests.graphs.token_issuer import DISCOVERY

CERTS = "/realms/acme/certs"


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def keys(settings, clock):
    return IssuerKeys(settings, clock)


async def test_it_is_asked_once_for_many(issuer, keys):
    found = await asyncio.gather(*(keys.find("k1", "RS256") for _ in range(20)))
    assert None not in found
    assert issuer.asked == {DISCOVERY: 1, CERTS: 1}


async def test_a_name_that_is_unknown_asks_again_once_a_minute(issuer, keys, clock):
    assert await keys.find("k1", "RS256")
    issuer.add_key("k2", "RS256")
    for name in ("k2", "made-up", "k3"):
        assert await keys.find(name, "RS256") is None
    assert issuer.asked[CERTS] == 1
    clock.now += 60
    assert await keys.find("k2", "RS256")
    for name in ("made-up", "k3"):
        assert await keys.find(name, "RS256") is None
    assert issuer.asked[CERTS] == 2


async def test_a_key_that_is_withdrawn_ends_and_nobody_waits_for_that(issuer, keys, clock):
    assert await keys.find("k1", "RS256")
    issuer.drop_key("k1")
    issuer.add_key("k2", "RS256")
    clock.now += 600
    assert await keys.find("k1", "RS256")  # while the issuer is asked
    async with asyncio.timeout(5):
        await keys._asking
    assert await keys.find("k2", "RS256")
    assert await keys.find("k1", "RS256") is None


async def test_while_it_does_not_answer_what_it_told_goes_on(issuer, keys, clock):
    assert await keys.find("k1", "RS256")
    issuer.is_up = False
    clock.now += 10_000
    assert await keys.find("made-up", "RS256") is None
    assert issuer.asked[DISCOVERY] == 2
    assert await keys.find("k1", "RS256")


async def test_without_any_keys_it_is_unavailable_and_asked_every_five_seconds(issuer, keys, clock):
    issuer.is_up = False
    for _ in range(3):
        with pytest.raises(IssuerUnavailableError):
            await keys.find("k1", "RS256")
    assert issuer.asked[DISCOVERY] == 1
    issuer.is_up = True
    clock.now += 5
    assert await keys.find("k1", "RS256")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (DISCOVERY, {"issuer": "https://other.example", "jwks_uri": "https://other.example/k"}),
        (DISCOVERY, {"issuer": None}),
        (DISCOVERY, []),
        (CERTS, {"keys": []}),
        (CERTS, {"keys": "k1"}),
        (CERTS, {"keys": [{"kid": "k1", "kty": "oct", "k": "c2VjcmV0"}, 1, {"kid": "k1"}]}),
        (CERTS, {"keys": [{"padding": "x" * 2**20}]}),
    ],
)
async def test_what_is_no_set_of_its_keys_is_not_believed(issuer, keys, path, told, caplog):
    issuer.told[path] = told
    with pytest.raises(IssuerUnavailableError):
        await keys.find("k1", "RS256")
    assert "were not read" in caplog.text


@pytest.mark.parametrize("address", ["http://keys.example/certs", "file:///etc/passwd", None])
async def test_keys_come_over_tls_alone(issuer, keys, address):
    issuer.told[DISCOVERY] = {"issuer": issuer.url, "jwks_uri": address}
    with pytest.raises(IssuerUnavailableError):
        await keys.find("k1", "RS256")


async def test_a_key_is_for_signatures_of_its_own_kind(issuer, settings):
    issuer.add_key("enc", "RS256", use="enc")
    issuer.add_key("es", "ES256")
    issuer.add_key("ps", "PS256")
    keys = IssuerKeys(settings)
    found = {
        (kid, name): await keys.find(kid, name) is not None
        for kid, name in (
            ("k1", "RS256"), ("k1", "ES256"), ("es", "ES256"), ("es", "RS256"), ("enc", "RS256"),
            ("ps", "RS256"), ("ps", "PS256"),
        )
    }  # fmt: skip
    there = [name for name, is_there in found.items() if is_there]
    assert there == [("k1", "RS256"), ("es", "ES256")]


async def test_a_short_key_is_left_out(issuer, settings):
    weak = "wAXjgmh_5c0pR3PeQPVTvWOyRrkoUjpnrW4nDQsQ0pvDqNGdmwH7a5q0Fxqj4ASGhS9UxvlAxW2GIXHzGiiHXw"
    issuer.told[CERTS] = {"keys": [{"kid": "k1", "kty": "RSA", "e": "AQAB", "n": weak}]}
    with pytest.raises(IssuerUnavailableError):
        await IssuerKeys(settings).find("k1", "RS256")


async def test_the_address_of_the_keys_may_be_set(issuer, settings):
    keys = IssuerKeys(settings.model_copy(update={"jwks_url": f"{issuer.url}/certs"}))
    assert await keys.find("k1", "RS256")
    assert issuer.asked == {CERTS: 1}
