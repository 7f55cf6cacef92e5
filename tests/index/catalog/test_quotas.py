from concurrent.futures import ThreadPoolExecutor

import pytest

from index.catalog.accounts.quotas import granted
from index.catalog.accounts.records import HoldAsk, QuotaAsk
from index.catalog.catalog import Catalog

NOW = 1_764_000_000.0  # 2025-11-24 16:00 UTC


@pytest.fixture
def now():
    return [NOW]


@pytest.fixture
def catalog(url, now):
    catalog = Catalog(url, clock=lambda: now[0])
    yield catalog
    catalog.close()


def ask(needed=1, wanted=1, *, limit=10, settled=0, window="minute", subject="key:a"):
    return QuotaAsk(
        subject=subject, kind=f"requests/{window}", window=window, limit=limit,
        needed=needed, wanted=wanted, settled=settled,
    )  # fmt: skip


def lease(catalog, *args, **options):
    return catalog.lease_quotas([ask(*args, **options)])[0]


def test_no_minute_has_more_than_the_limit_wherever_it_begins():
    times, amounts, time_s = [], {}, NOW
    for _ in range(6000):
        time_s += 0.05
        amounts, grant = granted(ask(), amounts, time_s)
        times += [time_s] * grant.granted
    assert len(times) >= 10 * 300 / 61
    for first in times:
        assert sum(first <= one < first + 60 for one in times) <= 10


def test_what_is_missing_is_free_when_the_reply_says(catalog, now):
    assert lease(catalog, 4, 4).granted == 4
    now[0] += 20
    assert lease(catalog, 6, 6).remaining == 0
    refused = lease(catalog, 3, 3)
    assert (refused.granted, round(refused.retry_after_s)) == (0, 41)
    now[0] += refused.retry_after_s
    assert lease(catalog, 3, 3).granted == 3
    assert lease(catalog, 8, 8).retry_after_s > 15


def test_what_is_wanted_is_cut_and_what_is_needed_is_not(catalog):
    assert lease(catalog, 1, 7).granted == 7
    assert lease(catalog, 4, 4).granted == 0
    assert lease(catalog, 2, 8).granted == 3


def test_more_than_the_limit_is_granted_when_all_of_it_is_free(catalog, now):
    assert lease(catalog, 50, 50).granted == 10
    now[0] += 61
    assert lease(catalog, 1, 1).granted == 1
    assert lease(catalog, 50, 50).granted == 0


def test_what_was_used_without_a_grant_counts_and_what_was_not_used_comes_back(catalog):
    assert lease(catalog, 0, 0, settled=25).remaining == 0
    assert lease(catalog).granted == 0
    assert lease(catalog, 0, 0, settled=-20).remaining == 5
    assert lease(catalog, 0, 0, settled=-100).remaining == 10


def test_a_month_ends_with_the_calendar(catalog, now):
    assert lease(catalog, 10, 10, window="month").granted == 10
    refused = lease(catalog, window="month")
    assert refused.retry_after_s == 1_764_547_200 - NOW  # 2025-12-01 00:00 UTC
    now[0] += refused.retry_after_s - 1
    assert lease(catalog, window="month").granted == 0
    now[0] += 1
    assert lease(catalog, window="month").granted == 1


def test_a_clock_that_is_behind_grants_nothing_twice(catalog, now):
    assert lease(catalog, 10, 10).granted == 10
    now[0] -= 3600
    assert lease(catalog).granted == 0


def test_gateways_that_ask_at_once_get_the_limit_together(url):
    catalogs = [Catalog(url, clock=lambda: NOW) for _ in range(2)]
    subjects = [("key:a", "key:b"), ("key:b", "key:a")]

    def take(number):
        asks = [ask(limit=40, subject=one) for one in subjects[number % 2]]
        return [one.granted for one in catalogs[number % 2].lease_quotas(asks)]

    with ThreadPoolExecutor(4) as pool:
        granted = list(pool.map(take, range(100)))
    assert sum(map(sum, granted)) == 80
    for catalog in catalogs:
        catalog.close()


def test_open_requests_of_all_gateways_count_until_they_end_or_fall_silent(catalog, now):
    def hold(holder, num_open, limit=3):
        asked = HoldAsk(subject="key:a", num_open=num_open, limit=limit)
        return catalog.hold_quotas(holder, [asked], 10.0)[0]

    assert hold("g1", 2)
    assert hold("g2", 1)
    assert not hold("g2", 2)
    assert hold("g1", 1, limit=None)
    assert hold("g2", 2)
    now[0] += 11  # both fell silent
    assert hold("g3", 3)
    asks = [HoldAsk(subject="key:b", num_open=9, limit=3), HoldAsk(subject="key:a", num_open=1)]
    assert catalog.hold_quotas("g3", asks, 10.0) == (False, True)
