"""A Gateway's HTTP application in a process of its own, over a shared catalog and a slow pipeline.

python -m tests.graphs.api.responses.answering_process <database url> <port> <seconds a piece> \
    <seconds of a lease>
"""

import os
import sys

import uvicorn

from graphs.api.app import build_app
from graphs.api.services import Services
from graphs.config import GatewayConfig
from graphs.pipeline.events import Finished, Retrieved, TextDelta, Usage
from graphs.settings import ResponseSettings
from index.catalog.catalog import Catalog
from tests.graphs.fake_services import FakeCorpora, FakePipeline

PIECES = [f"Piece {number}. " for number in range(10)]


def main(url, port, seconds, lease_s):
    pipeline = FakePipeline()
    pipeline.script = [Retrieved(passages=(), search_query=None, timings=())]
    for piece in PIECES:
        pipeline.script += [seconds, TextDelta(text=piece)]
    usage = Usage(num_prompt_tokens=1, num_completion_tokens=10)
    pipeline.script.append(Finished(finish_reason="stop", usage=usage))
    config = GatewayConfig(responses=ResponseSettings(lease_s=lease_s, poll_s=0.2))
    nothing = dict.fromkeys(("embedder", "reranker", "safety", "retriever"))
    services = Services(
        config=config, pipeline=pipeline, corpus=FakeCorpora(Catalog(url)), **nothing
    )
    app = build_app(services)

    @app.get("/pid")
    async def pid():
        return os.getpid()

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", loop="asyncio")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
