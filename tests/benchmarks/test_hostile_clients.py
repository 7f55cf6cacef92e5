"""Clients that do their worst, in their own process, against a server that counts them."""

import asyncio
from functools import partial

import pytest

from benchmarks.hostile_clients import Bombers, Slow, apart

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
SLOW = {"head": b"GET / HTTP/1.1\r\n", "drop": b"a: b\r\n", "reads": True}


@pytest.fixture
async def seen():
    """What each connection has sent, and the server's address under `address`."""
    sent = []

    async def answer(reader, writer):
        number = len(sent)
        sent.append(b"")
        while data := await reader.read(2**20):
            sent[number] += data
            head, _, body = sent[number].partition(b"\r\n\r\n")
            length = head.rpartition(b"content-length: ")[2]
            if length.isdigit() and len(body) == int(length):
                writer.write(NOT_FOUND)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield sent, server.sockets[0].getsockname()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # they hang up
async def test_bombs_are_sent_whole_and_their_answers_counted(seen):
    sent, address = seen
    async with apart(partial(Bombers, *address)) as counted:
        assert len(sent) >= 16
        assert not counted
    assert counted["answered_404"] >= 16
    assert set(counted) == {"answered_404"}


async def test_slow_ones_go_on_sending(seen):
    sent, address = seen
    async with apart(partial(Slow, *address, 3, **SLOW)) as counted:
        pass
    assert [one.startswith(SLOW["head"] + SLOW["drop"]) for one in sent[:3]] == [True] * 3
    assert counted["num_closed"] == 0
