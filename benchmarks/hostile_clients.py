"""Clients that mean no good to a server on this machine, in a process of their own."""

import asyncio
import gzip
import multiprocessing
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from multiprocessing.connection import Connection

_NUM_BOMBERS = 16
_PAUSE_S = 1.0
_OPEN_S = 15.0  # until all connections stand
_HEAD_START_S = 3.0


@asynccontextmanager
async def _at_work(tasks: Sequence["asyncio.Task[None]"]) -> AsyncIterator[None]:
    """Lets clients do their worst for a while before the block, and ends them after it."""
    await asyncio.sleep(_HEAD_START_S)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class Slow:
    """Many connections to one address that send a head and then do their worst.

    Args:
        count: how many.
        head: what each sends first.
        drop: what it sends a second; empty: nothing.
        reads: whether it would see that it was closed.
    """

    def __init__(
        self, host: str, port: int, count: int, *, head: bytes, drop: bytes, reads: bool
    ) -> None:
        self._address = (host, port)
        self._count = count
        self._head, self._drop, self._reads = head, drop, reads
        self.counted = Counter(num_closed=0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Holds the connections as long as the block runs; one that is closed is opened again."""
        tasks = []
        for _ in range(self._count):  # one after the other: a rush is another matter
            tasks.append(asyncio.create_task(self._hold()))
            await asyncio.sleep(_OPEN_S / self._count)
        async with _at_work(tasks):
            yield

    async def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as connection:
                connection.setblocking(False)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                try:
                    await loop.sock_connect(connection, self._address)
                    await loop.sock_sendall(connection, self._head)
                    while True:
                        await asyncio.sleep(_PAUSE_S)
                        if self._drop:
                            await loop.sock_sendall(connection, self._drop)
                        if self._reads and _is_closed(connection):
                            break
                        if not self._reads and _is_broken(connection):
                            break
                except OSError:
                    pass
                self.counted["num_closed"] += 1
            await asyncio.sleep(_PAUSE_S)


class Bombers:
    """Connections that send bombs in turn, and read what is said of them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self.counted: Counter[str] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends as long as the block runs."""
        turns = cycle(bombs_to(self._address[0]))
        tasks = []
        for _ in range(_NUM_BOMBERS):  # a rush takes its time whatever it brings
            tasks.append(asyncio.create_task(self._send(turns)))
            await asyncio.sleep(_PAUSE_S / _NUM_BOMBERS)
        async with _at_work(tasks):
            yield

    async def _send(self, bombs: Iterator[bytes]) -> None:
        while True:
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                writer.write(next(bombs))
                status = (await reader.readline()).split(b" ")[1:2]
                self.counted[f"answered_{status[0].decode() if status else 'not'}"] += 1
            except OSError:  # it may be cut off before all was sent
                self.counted["answered_not"] += 1
            finally:
                writer.transport.abort()
            await asyncio.sleep(_PAUSE_S)


def bombs_to(host: str) -> list[bytes]:
    """Whole requests, below what a body may be and above what is good."""
    names = b",".join(b'"n%d":1' % number for number in range(60_000))
    part = b'--x\r\ncontent-disposition: form-data; name="a%d"\r\n\r\nb\r\n'
    parts = b"".join(part % number for number in range(5_000)) + b"--x--\r\n"
    json_ = "application/json"
    return [
        _request(host, "/v1/chat/completions", json_, b"[" * 900_000),
        _request(host, "/v1/chat/completions", json_, b'{"messages":' * 70_000),
        _request(host, "/v1/chat/completions", json_, b'{"metadata":{' + names + b"}}"),
        _request(host, "/v1/embeddings", json_, b'{"dimensions":' + b"9" * 900_000 + b"}"),
        _request(host, "/v1/embeddings", json_, gzip.compress(bytes(64_000_000)), "gzip"),
        _request(host, "/v1/files", "multipart/form-data; boundary=x", parts),
    ]


def _request(host: str, path: str, kind: str, body: bytes, coding: str = "identity") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n"
        f"content-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(4096) == b""
    except BlockingIOError:
        return False


def _is_broken(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


Make = Callable[[], Slow | Bombers]


@asynccontextmanager
async def apart(make: Make) -> AsyncIterator[Counter[str]]:
    """Lets clients do their worst in another process, whose work the honest one must not feel.

    Yields:
        What they have counted, once the block has ended.
    """
    counted: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_do_worst, args=(make, there))
    process.start()
    there.close()
    try:
        await asyncio.to_thread(here.recv)
        yield counted
        here.send(None)
        counted.update(await asyncio.to_thread(here.recv))
    finally:
        process.kill()
        process.join()


def _do_worst(make: Make, told: Connection) -> None:
    async def run() -> Counter[str]:
        clients = make()
        async with clients.running():
            told.send(None)
            await asyncio.to_thread(told.recv)
        return clients.counted

    told.send(asyncio.run(run()))
