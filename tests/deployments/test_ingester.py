"""The Ingester without Ray: a real catalog and a real sandbox, a fake embedder."""

import asyncio
from types import SimpleNamespace

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from deployments.ingester import Ingester


class Method:
    """A method of a deployment handle."""

    def __init__(self, function):
        self._function = function

    async def remote(self, *args):
        return self._function(*args)


def fake_embedder():
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    return SimpleNamespace(
        tokenizer_json=Method(tokenizer.to_str),
        embed=Method(
            lambda texts, _: SimpleNamespace(
                vectors=np.ones((len(texts), 1), np.float32), fingerprint="ones@1"
            )
        ),
    )


async def ingested(ingester, store_id, name, data):
    file = await ingester.catalog("create_file", filename=name, purpose="assistants", data=data)
    await ingester.catalog("attach_file", store_id, file.id)
    async with asyncio.timeout(60):
        while True:
            record = await ingester.catalog("get_store_file", store_id, file.id)
            if record.status != "in_progress":
                return record
            await asyncio.sleep(0.02)


async def test_a_hostile_file_fails_with_its_reason_and_the_next_is_read(tmp_path):
    ingester = Ingester.func_or_class(f"sqlite:///{tmp_path}/corpus.db", fake_embedder())
    await ingester.reconfigure({"parse_limits": {"memory_mb": 192, "max_file_mb": 32}})
    store = await ingester.catalog("create_store", name="docs")
    hungry = b'{"a":[' + b"{}," * 8_000_000 + b"1]}"
    failures = [
        ("hungry.json", hungry, "invalid_file", "needs more than 192 MB of memory"),
        ("large.txt", b"x" * (33 * 2**20), "invalid_file", "at most 32 MB are allowed"),
        ("zip.md", b"PK\x03\x04", "invalid_file", "is not text: it is a ZIP archive"),
        ("a.exe", b"MZ", "unsupported_file", "is not one of"),
    ]
    for name, data, code, message in failures:
        failed = await ingested(ingester, store.id, name, data)
        assert (failed.status, failed.error_code) == ("failed", code)
        assert message in failed.error_message
        good = await ingested(ingester, store.id, "good.csv", b"Name,Unit\nmin,1\n")
        assert good.status == "completed"
    ingester._sandbox.close()
    while not ingester._worker.done():  # wait_for of Python 3.11 can swallow a cancellation
        ingester._worker.cancel()
        await asyncio.sleep(0.01)
    ingester._catalog.close()
