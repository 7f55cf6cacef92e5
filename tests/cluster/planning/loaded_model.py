"""Prints the largest resident memory, in bytes, of a process at work with one model.

python loaded_model.py CACHE KIND CONFIG_AS_JSON; it imports what a replica imports.
"""

import asyncio
import json
import os
import random
import re
import sys
from pathlib import Path

from deployments import embedder, generator  # noqa: F401  what a replica has imported
from models.embedder import Embedder, EmbedderConfig
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig
from models.reranker import Reranker, RerankerConfig
from models.safety import SafetyClassifier, SafetyConfig


def text(length):
    return " ".join(random.choice(["port", "time", "road", "code", "disk"]) for _ in range(length))


def encode(model, config, kind):
    # Windows of a text for the safety classifier: so long that a batch of them is full.
    length = config.max_tokens * (4 if kind == "safety" else 1)
    for _ in range(3):
        texts = [text(length) for _ in range(config.batch_size)]
        if kind == "embedder":
            model.rows(texts)
        elif kind == "reranker":
            model.rerank("which port", texts)
        else:
            model.score(texts)


async def generate(model, num):
    async def one(number):
        request = GenerationRequest(
            request_id=str(number),
            messages=(Message(role="user", content=text(150)),),
            sampling=Sampling(max_tokens=40, temperature=1.0, seed=number),
        )
        async for _ in model.stream(request):
            pass

    await asyncio.gather(*(one(number) for number in range(num)))


def main(cache, kind, settings):
    classes = {
        "embedder": (Embedder, EmbedderConfig),
        "reranker": (Reranker, RerankerConfig),
        "safety": (SafetyClassifier, SafetyConfig),
        "generator": (Generator, GeneratorConfig),
    }
    model_class, config_class = classes[kind]
    config = config_class(**json.loads(settings))
    model = model_class(config, cache=Path(cache))
    if kind == "generator":
        asyncio.run(generate(model, config.engine_options["max_concurrent_requests"]))
    else:
        encode(model, config, kind)
    # Not ru_maxrss: that begins at what the process had that started this one.
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    sys.stdout.write(f"{int(peak_kb) * 1024}\n")
    sys.stdout.flush()
    os._exit(0)  # the engine's thread would decode on


main(*sys.argv[1:])
