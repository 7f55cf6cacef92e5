"""Signed links to files."""

import asyncio
from urllib.parse import parse_qsl

import pytest

from graphs.access.links import Links
from graphs.access.tokens import ExpiredTokenError

PATH = "/v1/files/file-1/content"


class Clock:
    now = 1_000_020.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def links_of(clock, links_s=600, secret="ab" * 32):
    async def ask():
        return secret

    return Links(ask, lambda: links_s, clock)


async def query_of(links, key_id="key"):
    return dict(parse_qsl((await links.signer(key_id))("file-1").removeprefix("?")))


async def test_a_link_tells_its_key_at_every_gateway_until_its_time_is_over(clock):
    query = await query_of(links_of(clock))
    clock.now += 600
    assert await links_of(clock).key_of(PATH, query) == "key"
    clock.now += 60
    with pytest.raises(ExpiredTokenError):
        await links_of(clock).key_of(PATH, query)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/v1/files/file-2/content", {}),
        ("/v1/files/file-1", {}),
        ("/v1/files/file-1/content/", {}),
        ("/x/v1/files/file-1/content", {}),
        (PATH, {"by": "other"}),
        (PATH, {"by": "key\nfile-1"}),
        (PATH, {"until": "99999999999"}),
        (PATH, {"until": ""}),
        (PATH, {"signature": ""}),
        (PATH, {"signature": "\u00e9" * 64}),
        (PATH, {"signature": "0" * 64}),
    ],
)
async def test_what_was_changed_is_no_link(clock, path, change):
    links = links_of(clock)
    assert await links.key_of(path, await query_of(links) | change) is None


async def test_a_link_of_another_server_is_none(clock):
    query = await query_of(links_of(clock, secret="cd" * 32))
    assert await links_of(clock).key_of(PATH, query) is None


async def test_where_links_are_off_none_is_made_or_taken(clock):
    query = await query_of(links_of(clock))
    links = links_of(clock, links_s=0)
    assert (await links.signer("key"))("file-1") == ""
    assert await links.key_of(PATH, query) is None
    assert (await links_of(clock).signer(""))("file-1") == ""


async def test_while_the_catalog_does_not_answer_all_fail_together(clock):
    asked = []

    async def ask():
        asked.append(1)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise ConnectionError
        return "ab" * 32

    links = Links(ask, lambda: 600, clock)
    failed = await asyncio.gather(*(query_of(links) for _ in range(9)), return_exceptions=True)
    assert [type(one) for one in failed] == [ConnectionError] * 9
    with pytest.raises(ConnectionError):
        await query_of(links)
    assert asked == [1]
    clock.now += 5
    assert await links.key_of(PATH, await query_of(links)) == "key"
    assert asked == [1, 1]


async def test_the_catalog_is_asked_once(clock):
    asked = []

    async def ask():
        asked.append(1)
        return "ab" * 32

    links = Links(ask, lambda: 600, clock)
    for _ in range(3):
        await query_of(links)
    assert asked == [1]
