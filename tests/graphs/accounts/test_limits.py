"""Limits of several Gateways over one real catalog."""

import asyncio
import time
from collections import Counter
from dataclasses import replace

import pytest

from graphs.accounts.accounts import Work, key_subject
from graphs.accounts.store import ANSWER_S
from graphs.caller import Caller, CallerLimits
from index.catalog.accounts.records import QuotaAsk
from index.errors import CorpusUnavailableError

KEY = Caller(tenant="t", key_id="k1")
NUM_CLIENTS = 20


async def admitted(gateways, caller=KEY, *, most=10_000, bill=0):
    """What 20 clients get in at all Gateways until each was refused several times."""
    count = 0

    async def client(number):
        nonlocal count
        gateway = gateways.all[number % len(gateways.all)]
        num_refused = 0
        while num_refused < 3 and count < most:
            admission = await gateway.admit(caller, 100)
            if admission.refused is None and admission.num_open is None:
                count += 1
                if bill:
                    gateway.bill(caller, Work(model="m", num_prompt_tokens=bill))
                admission.close()
            else:
                num_refused += 1
            await asyncio.sleep(0.15 if num_refused else 0)

    await asyncio.gather(*map(client, range(NUM_CLIENTS)))
    return count


@pytest.mark.parametrize("limit", [7, 300])
async def test_twenty_clients_at_two_gateways_get_the_limit_and_no_more(gateways, limit):
    gateways.limit(requests_per_min=limit)
    gateways.start(), gateways.start()
    assert limit * 0.97 <= await admitted(gateways) <= limit
    gateways.now += 30
    assert await admitted(gateways) == 0
    gateways.now += 32  # a minute and the second in which the first was granted
    assert limit * 0.97 <= await admitted(gateways) <= limit


@pytest.mark.parametrize("seed", [1, 2])
async def test_tokens_are_held_to_their_limit_though_their_number_is_known_late(gateways, seed):
    gateways.limit(tokens_per_min=20_000)
    gateways.start(), gateways.start()
    assert 0.97 * 20_000 <= 100 * seed * await admitted(gateways, bill=100 * seed) <= 1.05 * 20_000


async def test_a_tenant_has_a_limit_for_all_its_keys(gateways):
    gateways.limit(requests_per_min=50)
    gateways.limit(of="tenant", requests_per_min=60)
    gateways.start()
    assert await admitted(gateways, Caller(tenant="t", key_id="k1")) == 50
    assert await admitted(gateways, Caller(tenant="t", key_id="k2")) == 10
    assert await admitted(gateways, Caller(tenant="u", key_id="k3")) == 50


async def test_a_key_has_its_own_limits_before_those_of_the_server(gateways):
    gateways.limit(requests_per_min=5, max_concurrent=3)
    gateways.start()
    own = Caller(tenant="t", key_id="k1", limits=CallerLimits(requests_per_min=9))
    began = time.monotonic()
    assert await admitted(gateways, own) == 9
    refused = await gateways.all[0].admit(own, 0)
    assert refused.refused.claim.limit == 9
    assert 60 - (time.monotonic() - began) <= refused.refused.wait_s <= 61


async def test_a_gateway_that_dies_takes_a_fiftieth_with_it(gateways):
    gateways.limit(requests_per_min=1000)
    dead, alive = gateways.start(), gateways.start()
    (await dead.admit(KEY, 0)).close()
    dead.quotas._returning.cancel()
    gateways.all = [alive]
    assert 970 <= await admitted(gateways) <= 999


async def test_what_a_request_did_not_use_is_free_again(gateways):
    gateways.limit(tokens_per_min=1000)
    gateway = gateways.start()
    for _ in range(20):  # each holds what it may need, and none uses any
        admission = await gateway.admit(KEY, 100)
        assert admission.refused is None
        admission.close()
    await remains(gateways, _ask(), 1000)


def _ask():
    return QuotaAsk(subject=key_subject(KEY), kind="tokens", window="minute", limit=1000)


async def remains(gateways, ask, remaining):
    """Waits until the catalog says that so much is free, by itself, and holds it to that."""
    async with asyncio.timeout(20):
        while True:
            if gateways.catalog.lease_quotas([ask])[0].remaining == remaining:
                break
            await asyncio.sleep(0.02)
    for gateway in gateways.all:  # nothing is left to settle that would change it
        await gateway.stop()
    assert gateways.catalog.lease_quotas([ask])[0].remaining == remaining


async def test_a_month_that_is_used_up_is_over_for_batches_too(gateways):
    gateways.limit(tokens_per_month=1000, requests_per_min=1)
    gateway = gateways.start()
    for _ in range(3):  # a batch has no limits of a minute
        assert (await gateway.admit(KEY, 100, is_batch=True)).refused is None
    gateway.bill(KEY, Work(model="m", num_prompt_tokens=1000))
    refused = (await gateway.admit(KEY, 100, is_batch=True)).refused
    assert refused.claim.kind == "tokens/month"
    assert refused.wait_s > 86_400


async def test_requests_at_once_are_counted_at_all_gateways(gateways):
    gateways.limit(max_concurrent=3)
    first, second = gateways.start(), gateways.start()
    running = [await first.admit(KEY, 0), await first.admit(KEY, 0), await second.admit(KEY, 0)]
    assert (await second.admit(KEY, 0)).num_open == 3
    running[0].close()
    async with asyncio.timeout(20):
        while True:
            admission = await second.admit(KEY, 0)
            if admission.num_open is None:
                break
            await asyncio.sleep(0.02)
    for one in (*running[1:], admission):
        one.close()


async def test_while_the_catalog_is_away_requests_go_on_and_are_counted_later(gateways):
    gateways.limit(requests_per_min=100)
    gateway = gateways.start()
    call, away = gateways.corpora._call, True

    async def failing(*args, **kwargs):
        if away:
            raise CorpusUnavailableError("away")
        return await call(*args, **kwargs)

    gateways.corpora._call = failing
    assert await admitted(gateways, most=80) >= 80
    away = False
    await asyncio.sleep(0.5)
    assert await admitted(gateways) <= 20
    assert gateway.journal.num_dropped == 0


async def test_a_catalog_that_does_not_answer_holds_all_up_together_and_not_for_long(
    gateways, monkeypatch
):
    assert ANSWER_S <= 1  # for each of the two questions
    for module in ("quotas", "holds"):
        monkeypatch.setattr(f"graphs.accounts.{module}.ANSWER_S", 0.2)
    gateways.limits = gateways.limits.model_copy(update={"lease_s": 30.0})
    gateways.limit(requests_per_min=100, max_concurrent=100)
    gateway, call = gateways.start(), gateways.corpora._call
    asked = Counter()

    async def silent(_viewer, method, *_args, **_kwargs):
        asked[method] += 1
        await asyncio.Event().wait()

    gateways.corpora._call = silent
    async with asyncio.timeout(20):
        admissions = await asyncio.gather(*(gateway.admit(KEY, 100) for _ in range(8)))
    assert asked["hold_quotas"] == 8  # each for itself, all at the same time
    assert 1 <= asked["lease_quotas"] < 4  # one for all, where eight could follow one another
    assert all(one.refused is None and one.num_open is None for one in admissions)
    gateways.corpora._call = call
    for one in admissions:
        one.close()


async def test_what_the_catalog_grants_too_late_is_given_back(gateways, monkeypatch):
    """Else a slow catalog would use up the limits of a month."""
    monkeypatch.setattr("graphs.accounts.quotas.ANSWER_S", 0.05)
    gateways.limit(tokens_per_month=1000)
    gateway, call = gateways.start(), gateways.corpora._call
    was_asked = asyncio.Event()

    async def slow(viewer, method, asks):
        if any(ask.needed for ask in asks):
            was_asked.set()
        granted = await call(viewer, method, asks)
        await asyncio.sleep(0.2)
        return granted

    gateways.corpora._call = slow
    for _ in range(5):
        admission = await gateway.admit(KEY, 100)
        assert admission.refused is None
        gateway.bill(KEY, Work(model="m", num_prompt_tokens=10))
        admission.close()
        await asyncio.sleep(0.12)
    was_asked.clear()
    asked = asyncio.create_task(gateway.admit(KEY, 100))
    async with asyncio.timeout(20):
        await was_asked.wait()
    asked.cancel()  # a client leaves
    await asyncio.wait([asked])
    assert asked.cancelled()
    gateways.corpora._call = call
    await remains(gateways, replace(_ask(), kind="tokens/month", window="month"), 950)


async def test_what_the_catalog_has_granted_as_the_time_ends_is_used(gateways, monkeypatch):
    """Else a process that stood still for a moment would let everybody in."""
    monkeypatch.setattr("graphs.accounts.quotas.ANSWER_S", 0.05)
    gateways.limit(requests_per_min=5)
    gateway, call = gateways.start(), gateways.corpora._call

    async def stalled(*args, **kwargs):
        granted = await call(*args, **kwargs)
        time.sleep(0.1)  # noqa: ASYNC251 - the whole loop stands still
        return granted

    gateways.corpora._call = stalled
    admissions = [await gateway.admit(KEY, 100) for _ in range(9)]
    assert [one.refused is None for one in admissions] == [True] * 5 + [False] * 4
    gateways.corpora._call = call


async def test_what_is_used_while_the_catalog_does_not_answer_is_counted(gateways):
    gateways.limit(tokens_per_min=1000)
    gateway, call = gateways.start(), gateways.corpora._call

    was_asked, is_billed = asyncio.Event(), asyncio.Event()

    async def slow(*args, **kwargs):
        was_asked.set()
        await is_billed.wait()
        raise CorpusUnavailableError("away")

    gateways.corpora._call = slow
    asked = asyncio.create_task(gateway.admit(KEY, 100))
    async with asyncio.timeout(20):
        await was_asked.wait()
    gateway.bill(KEY, Work(model="m", num_prompt_tokens=400))
    is_billed.set()
    admission = await asked
    assert admission.refused is None
    admission.close()
    gateways.corpora._call = call
    await remains(gateways, _ask(), 600)


async def test_without_limits_the_catalog_is_never_asked(gateways):
    gateway = gateways.start()
    gateways.corpora._call = None
    for _ in range(100):
        admission = await gateway.admit(KEY, 100)
        assert admission.standings == ()
        admission.close()
