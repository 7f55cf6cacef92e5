"""A generator over one of the three engines, and what its tests do to it and see of it."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from models import generator as module
from models.device import Share
from models.errors import EngineStoppedError, ModelError
from models.generation import EngineRequest, GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig
from tests.models.engines.fake_engine import FakeEngine

ROOT = Path(__file__).parents[3]
ENGINE_OPTIONS = {
    "transformers": {"dtype": "float32", "max_concurrent_requests": 32, "cache_tokens": 32768},
    "vllm": {
        "dtype": "float32",
        "max_concurrent_requests": 32,
        "options": {
            "enforce_eager": True,  # compiling takes longer than these tests
            # So small that prompts are read in pieces, and requests give way to each other.
            "max_num_batched_tokens": 64,
            "num_gpu_blocks_override": 48,
        },
    },
}
TWO_CPUS = Share(num_cpus=2.0)
FULL = ROOT / "models/bundled/generator-full"
PAGE_BYTES = os.sysconf("SC_PAGESIZE")


class Held:
    """A loaded generator.

    Attributes:
        kind: fake, transformers or vllm.
    """

    def __init__(
        self, kind, cache, patch, *, num_adapters=0, share=TWO_CPUS, options=None, model=FULL
    ):
        self.kind = kind
        if kind == "fake":
            patch.setattr(
                module, "load_engine", lambda *_args, **_kwargs: FakeEngine(6144, end_id=1)
            )
        config = GeneratorConfig(
            model=str(model),
            engine="vllm" if kind == "fake" else kind,
            engine_options=ENGINE_OPTIONS.get(kind, {}) if options is None else options,
            max_answer_tokens=48,
            max_adapters=num_adapters,
            max_adapter_rank=8,
        )
        self.generator = Generator(config, cache=cache, share=share)
        self.engine = self.generator._engine

    def ids_of(self, *texts):
        """The ids of texts that are one token each; the others are left out."""
        encoded = self.generator._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [ids[0] for ids in encoded if len(ids) == 1]

    def is_ended(self):
        """Says whether a test has closed or killed it."""
        try:
            self.generator.check()
        except EngineStoppedError:
            return True
        return False

    async def kill(self):
        """Ends what decodes, as a fault would."""
        if self.kind == "fake":
            self.engine.kill()
        elif self.kind == "transformers":
            await self._decode_unknown_id()
        else:
            for pid in self.core_pids():
                os.kill(pid, signal.SIGKILL)

    async def _decode_unknown_id(self):
        """A forward pass over an id that the embedding does not have ends the decoding thread."""
        request = EngineRequest(
            prompt_ids=(10**6,), answer_start=1, max_tokens=1, temperature=0.0, top_p=1.0,
            top_k=0, seed=0,
        )  # fmt: skip
        with suppress(ModelError):
            async for _ in self.engine.generate(request):
                pass

    def core_pids(self):
        """The processes of vLLM that decode."""
        manager = self.engine._engine.engine_core.resources.engine_manager
        return [process.pid for process in manager.processes]

    def num_active(self):
        """Counts the requests that hold or wait for a slot, and what is kept for each."""
        if self.kind == "fake":
            return self.engine.num_active
        if self.kind == "vllm":
            return len(self.engine._engine.output_processor.request_states)
        manager = self.engine._manager
        scheduler = manager.batch_processor.scheduler
        held = len(scheduler.active_requests) + len(scheduler.waiting_requests)
        handlers = len(manager.output_router.result_handlers)
        return held + manager.input_queue.qsize() + handlers

    async def until_active(self, num):
        """Waits until so many requests are active."""
        for _ in range(3000):
            if self.num_active() >= num:
                return
            await asyncio.sleep(0.001)
        pytest.fail(f"{self.num_active()} requests are active, not {num}")

    async def cache_use(self):
        """Tells how full the KV cache is right after one short answer."""
        await write(self, request("Which port?", max_tokens=2))
        if self.kind == "vllm":
            from vllm.v1.metrics.reader import get_metrics_snapshot

            return [one.value for one in get_metrics_snapshot() if "kv_cache_usage" in one.name]
        if self.kind == "transformers":
            cache = self.engine._manager.batch_processor.cache
            return [cache.pool.count_free_blocks(one.index) for one in
                    cache.cache_allocators.values()]  # fmt: skip
        return []

    def memory_bytes(self):
        """Resident memory of this process and of those that it started."""
        return sum(memory for pid, memory in _processes().items() if os.getpid() in _line(pid))


def load_held(kind, cache, held_class=Held, **options):
    """Loads an engine; skips its tests where it is not installed."""
    if kind == "vllm":
        pytest.importorskip("vllm", reason="make test-vllm installs it")
    with pytest.MonkeyPatch.context() as patch:
        return held_class(kind, cache, patch, **options)


def _line(pid):
    """The process and its parents, up to the first that has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        while pid > 1:
            yield pid
            stat = Path(f"/proc/{pid}/stat").read_text()
            pid = int(stat.rpartition(")")[2].split()[1])


def _processes():
    """Each process and its resident memory in bytes."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            num_pages = int((path / "statm").read_text().split()[1])
            found[int(path.name)] = num_pages * PAGE_BYTES
    return found


def request(question, delivered=(), constraint=None, adapter="", identity=None, **sampling):
    content = f"[1] Port\nThe API listens on port 8000.\n\nQuestion: {question}"
    return GenerationRequest(
        request_id="r",
        messages=(Message(role="user", content=content),),
        sampling=Sampling(**sampling),
        constraint=constraint,
        delivered_token_ids=tuple(delivered),
        adapter=adapter,
        identity=identity,
    )


async def chunks_of(held, asked):
    return [chunk async for chunk in held.generator.stream(asked)]


async def write(held, asked):
    """The ids of an answer."""
    return ids_of(await chunks_of(held, asked))


def ids_of(chunks):
    return [token for chunk in chunks for token in chunk.token_ids]


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)
