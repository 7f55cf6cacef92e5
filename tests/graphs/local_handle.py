"""A handle like Serve's, over a deployment of this process."""

import asyncio
from types import SimpleNamespace


class LocalHandle:
    def __init__(self, deployment, *, stream=False):
        self._deployment = deployment
        self._stream = stream
        # Held, since Python would close a stream that was merely forgotten, and Serve does not.
        self._calls = []

    def options(self, *, stream, session_id=""):
        made = LocalHandle(self._deployment, stream=stream)
        self._calls.append(made)
        return made

    def __getattr__(self, name):
        method = getattr(self._deployment, name)
        return SimpleNamespace(remote=self._streaming(method) if self._stream else method)

    def _streaming(self, method):
        def remote(*args):
            self._calls.append(_LocalStream(method(*args)))
            return self._calls[-1]

        return remote


class _LocalStream:
    """What a streaming call gives: it is cancelled without anybody waiting for the end."""

    def __init__(self, chunks):
        self._chunks = chunks
        self._closing = None

    async def __anext__(self):
        return await anext(self._chunks)

    def cancel(self):
        self._closing = asyncio.ensure_future(self._chunks.aclose())
