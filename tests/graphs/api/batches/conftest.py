"""The application with batches that are looked for often."""

import asyncio
import json

import pytest

from graphs.settings import BatchSettings


@pytest.fixture
def api_config(api_config):
    settings = BatchSettings(lease_s=3, poll_s=0.05, longest_yield_s=60, quiet_s=0.01, max_lines=20)
    return api_config.model_copy(update={"batches": settings})


def line(custom_id, body, url="/v1/chat/completions"):
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body})


@pytest.fixture
def upload(api_openai):
    """Uploads lines as the input of a batch."""

    async def upload(*lines, purpose="batch"):
        file = ("in.jsonl", "\n".join(lines).encode())
        return (await api_openai.files.create(file=file, purpose=purpose)).id

    return upload


@pytest.fixture
def begin(api_openai, upload):
    """Begins a batch over lines."""

    async def begin(*lines, endpoint="/v1/chat/completions", **more):
        return await api_openai.batches.create(
            input_file_id=await upload(*lines), endpoint=endpoint, completion_window="24h", **more
        )

    return begin


@pytest.fixture
def ended(api_openai):
    """Waits for the end of a batch."""

    async def wait(batch):
        async with asyncio.timeout(20):
            while batch.status in {"validating", "in_progress", "cancelling"}:
                await asyncio.sleep(0.02)
                batch = await api_openai.batches.retrieve(batch.id)
        return batch

    return wait


@pytest.fixture
def read(api_openai):
    """Reads a file of a batch: custom id -> line."""

    async def read(file_id):
        if file_id is None:
            return {}
        lines = (await api_openai.files.content(file_id)).text.splitlines()
        values = [json.loads(one) for one in lines]
        assert len({one["custom_id"] for one in values}) == len(values)
        return {one["custom_id"]: one for one in values}

    return read
