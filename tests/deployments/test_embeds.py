"""What a document's job is told when the Embedder does not embed."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from ray.exceptions import RayTaskError

from deployments.embeds import RemoteEmbeds
from index.errors import EmbedderUnavailableError
from models.errors import ModelBusyError


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_busy_model_is_an_embedder_that_a_job_may_ask_again(loop):
    async def embed(*_):
        raise RayTaskError("embed", "", ModelBusyError("busy")).as_instanceof_cause()

    handle = SimpleNamespace(embed=SimpleNamespace(remote=embed))
    with pytest.raises(EmbedderUnavailableError, match="does not answer"):
        list(RemoteEmbeds(handle, loop).embed(["a text"], "model/384"))
