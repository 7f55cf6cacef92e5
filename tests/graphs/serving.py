"""An application served over real HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from graphs.api.app import accounts_over, keyring_over
from graphs.api.batches.batch_runs import BatchRuns
from graphs.api.border.bodies.turns import BodyTurns
from graphs.api.chat.resume import KnownKeys
from graphs.api.responses.runs import Runs


@asynccontextmanager
async def serving(app) -> AsyncIterator[str]:
    """Gives the base URL of the API as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # What it accepts inherits this. asyncio sets it for sockets that it made itself alone, and
        # without it each reply on a kept connection waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        running = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        task = asyncio.create_task(running.serve(sockets=[listener]))
        while not running.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        running.should_exit = running.force_exit = True
        await task


@asynccontextmanager
async def in_app(app, services) -> AsyncIterator[FastAPI]:
    """Lets the application work with these services, and stops what it does besides."""
    state = app.state
    state.services, state.keys = services, KnownKeys()
    state.body_turns = BodyTurns()
    state.keyring = keyring_over(lambda: state.services)
    state.accounts = accounts_over(lambda: state.services)
    state.runs = Runs(lambda: state.services)
    state.batches = BatchRuns(lambda: state.services, app, state.traffic)
    yield app
    await state.batches.stop()
    await state.runs.stop()
    await state.accounts.stop()
