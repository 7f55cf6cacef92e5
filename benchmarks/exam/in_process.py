"""The served system in one process, over HTTP but without Ray: for tuning what it answers.

Gateway, models, index and catalog are those of a Serve config, settings included; only Serve's
handles are replaced by plain calls, and the generator by `Writer`, which takes the text that it
would be held to. A question costs a part of a second, and a start a few seconds.
"""

import asyncio
import re
import socket
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvicorn
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.embedder import Embedder
from deployments.ingester import Ingester
from deployments.observing.metrics import Meter
from deployments.reranker import Reranker
from deployments.retriever import Retriever
from deployments.safety_filter import SafetyFilter
from deployments.state import models_folder
from graphs.api.app import build_app
from graphs.api.services import Services
from graphs.choosing.router import Router
from graphs.errors import ConfigError
from graphs.gateway import Graph, Kept
from graphs.observing.observer import Observer
from graphs.pipeline.quoting.words import content_stems
from graphs.serve_config.reader import ServeConfig, read_serve_config
from index.sentences import split_sentences
from models.constraints import Choices
from models.generation import GenerationChunk, GenerationRequest, GeneratorProfile
from models.generator import GeneratorConfig
from models.hub import resolve
from models.identity import ModelIdentity

_CONTEXT_TOKENS = 1024  # of the bundled generator
_START_S = 120.0
_NUMBER = re.compile(r"^\[(\d+)\] ", re.MULTILINE)  # of a passage in the prompt


class Writer:
    """Stands in for a generator that only quotes: it writes the first text that it may write."""

    name = "writer"

    def __init__(self, config: GeneratorConfig) -> None:
        folder = resolve(config.model, config.revision, models_folder())
        self._identity = ModelIdentity(
            model=self.name, source=self.name, template="", engine="none"
        )
        self._profile = GeneratorProfile(
            identity=self._identity,
            tokenizer_json=(folder / "tokenizer.json").read_text(encoding="utf-8"),
            special_tokens=(),
            context_tokens=config.context_tokens or _CONTEXT_TOKENS,
            max_answer_tokens=config.max_answer_tokens,
        )

    async def profile(self) -> GeneratorProfile:
        """Gives what the graph counts tokens with."""
        return self._profile

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Gives the whole answer as one chunk.

        Raises:
            ValueError: the answer is not settled.
        """
        if not isinstance(request.constraint, Choices):
            raise ValueError("without a generator only `answers: quote` can be asked")
        yield GenerationChunk(
            position=0, token_ids=(0,), text=request.constraint.texts[0], finish_reason="stop",
            num_prompt_tokens=1, identity=self._identity.digest,
        )  # fmt: skip


class SmallWriter(Writer):
    """Stands in for a small generator: it gives a sentence of the passages, and reads no meaning.

    That is the one which shares most words with the question, of as good ones the first.
    """

    name = "small writer"

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Gives the whole answer as one chunk."""
        passages, _, question = request.messages[-1].text.rpartition("Question: ")
        asked = set(content_stems(question))
        _, *parts = _NUMBER.split(passages)
        units = [
            (unit, number)
            for number, passage in zip(parts[::2], parts[1::2], strict=True)
            for unit in split_sentences(passage.partition("\n")[2].strip())
        ]
        text, number = max(units, key=lambda one: len(asked & set(content_stems(one[0]))))
        yield GenerationChunk(
            position=0, token_ids=(0,), text=f"{text} [{number}]", finish_reason="stop",
            num_prompt_tokens=1, identity=self._identity.digest,
        )  # fmt: skip


class _Handle:
    """Calls a deployment of this process as Serve's handles do."""

    def __init__(self, name: str, deployment: object) -> None:
        self.deployment_name = name
        self._deployment = deployment

    def _init_router(self) -> "_Handle":
        return self  # what `graphs.replicas` asks in a process without Ray

    def running_replicas_populated(self) -> bool:
        return True

    def options(self, *, stream: bool, session_id: str = "") -> "_Handle":
        return _Streams(self.deployment_name, self._deployment) if stream else self

    def __getattr__(self, method: str) -> "_Method":
        return _Method(getattr(self._deployment, method))


class _Streams(_Handle):
    def __getattr__(self, method: str) -> "_Method":
        call = getattr(self._deployment, method)
        return _Method(lambda *args: _Stream(call(*args)))


class _Method:
    def __init__(self, call: Callable[..., Any]) -> None:
        self.remote = call


class _Stream:
    def __init__(self, chunks: AsyncGenerator[GenerationChunk, None]) -> None:
        self._chunks = chunks

    async def __anext__(self) -> GenerationChunk:
        return await anext(self._chunks)

    def cancel(self) -> None:
        """Nothing is left to stop: there is one chunk."""


@contextmanager
def served(config_file: Path, router: Router | None = None) -> Iterator[str]:
    """Serves a Serve config from this process, with an empty corpus; gives the base URL.

    A `router` puts a small generator beside the other and decides between them. Whoever asks is let
    in without a key: nobody else reaches it, and its corpus is its own.

    Raises:
        ConfigError: the file has faults, or its generator answers in its own words.
        TimeoutError: it does not start.
    """
    config = read_serve_config(config_file)
    if config.gateway.answers != "quote":
        raise ConfigError(
            f"{config_file}: the generator answers in its own words (`answers: free`), which no "
            f"stand-in does: serve it, and ask that with --base-url"
        )
    with tempfile.TemporaryDirectory() as folder:
        server = _Server(config, f"sqlite:///{folder}/corpus.db", router)
        thread = threading.Thread(target=server.run, name="in-process", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.wait()}/v1"
        finally:
            server.stop()
            thread.join()


class _Server:
    def __init__(self, config: ServeConfig, database_url: str, router: Router | None) -> None:
        self._config = config
        self._router = router
        self._database_url = database_url
        self._socket = socket.create_server(("127.0.0.1", 0))
        # Else, as asyncio did not make it, replies on kept connections wait 40 ms each.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_up = threading.Event()
        self._error: BaseException | None = None
        self._server: uvicorn.Server | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as err:
            self._error = err
        finally:
            self._is_up.set()

    def wait(self) -> int:
        """Gives the port, once every model is loaded."""
        if not self._is_up.wait(_START_S):
            raise TimeoutError(f"the system has not started after {_START_S} s")
        if self._error is not None:
            raise self._error
        return int(self._socket.getsockname()[1])

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    async def _serve(self) -> None:
        services = await _services(self._config, self._database_url, self._router)
        app = build_app(services)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self._is_up.set()
        await self._server.serve(sockets=[self._socket])


async def _services(config: ServeConfig, database_url: str, router: Router | None) -> Services:
    """Loads every model and puts the graph over them."""
    embedder = _Handle("Embedder", await _started(config, Embedder, "Embedder"))
    generator = config.settings("Generator", GeneratorConfig)
    ingester = await _started(config, Ingester, "Ingester", database_url, embedder)
    deployed: dict[str, _Handle] = {
        "embedder": embedder,
        "retriever": _Handle(
            "Retriever", await _started(config, Retriever, "Retriever", database_url)
        ),
        "reranker": _Handle("Reranker", await _started(config, Reranker, "Reranker")),
        "safety_filter": _Handle(
            "SafetyFilter", await _started(config, SafetyFilter, "SafetyFilter")
        ),
        "generator": _Handle("Generator", Writer(generator)),
        "ingester": _Handle("Ingester", ingester),
    }
    if router is not None:
        deployed["small_generator"] = _Handle("GeneratorSmall", SmallWriter(generator))
    handles = {role: (cast(DeploymentHandle, handle),) for role, handle in deployed.items()}
    auth = config.gateway.auth.model_copy(update={"keys": False})
    gateway = config.gateway.model_copy(update={"auth": auth})
    observer = Observer(gateway.observing, Meter(), "in process")
    graph = Graph(gateway, handles, observer, Kept(), router)
    return Services(
        config=gateway,
        pipeline=graph,
        embedder=graph.embedder,
        reranker=graph.reranker,
        safety=graph.safety,
        retriever=graph.retriever,
        corpus=graph.corpus,
        tokens=graph.generator,
        recent=observer.recent,
    )


async def _started(config: ServeConfig, deployment: Any, name: str, *args: object) -> Any:
    """Makes a deployment's object and gives it its `user_config`."""
    assert isinstance(deployment, serve.Deployment)
    made = deployment.func_or_class(*args)
    await made.reconfigure(config.blocks[name].deployment.user_config or {})
    return made
