"""What the models themselves take, without HTTP: the limit of every server on one core."""

import time
from collections.abc import Callable

from benchmarks.overhead import QUESTIONS
from benchmarks.speed.calls import text
from deployments.state import models_folder
from models.bundled.prepare import prepare
from models.device import Share
from models.embedder import Embedder, EmbedderConfig
from models.reranker import Reranker, RerankerConfig

IN_PROCESS = "in-process"
_SHARE = Share(num_cpus=1)


def measured(seconds: float) -> dict[str, tuple[float, float]]:
    """Runs each case on one core: its name -> (requests a second, CPU ms of each)."""
    cache = models_folder()
    prepare("reranker", cache)
    embedder = Embedder(
        EmbedderConfig(model="bundled:embedder", engine="onnx", batch_size=16),
        cache=cache, share=_SHARE,
    )  # fmt: skip
    reranker = Reranker(
        RerankerConfig(model="bundled:reranker", engine="onnx", max_tokens=192, batch_size=16),
        cache=cache, share=_SHARE,
    )  # fmt: skip

    def rerank(number: int) -> None:
        documents = [text(number * 20 + place) for place in range(20)]
        reranker.rerank(QUESTIONS[number % len(QUESTIONS)], documents)

    def embed_many(number: int) -> None:
        embedder.embed([text(number * 64 + place) for place in range(64)])

    return {
        "embeddings-1": _timed(lambda number: embedder.embed([text(number)]), seconds),
        "embeddings-4x64": _timed(embed_many, seconds),
        "rerank-1": _timed(rerank, seconds),
    }


def _timed(run: Callable[[int], object], seconds: float) -> tuple[float, float]:
    run(0)
    began, began_cpu, number = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        number += 1
        run(number)
    took_s, took_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return number / took_s, 1000 * took_cpu_s / number
