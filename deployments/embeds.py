"""Who embeds for the corpus: the Embedder deployment, or a model of this process."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from ray.exceptions import ObjectLostError, RayActorError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from index.errors import EmbedderUnavailableError
from models.embedder import Embedder, Embeddings
from models.errors import ModelBusyError
from models.tokens import TokenSpans

_TEXTS_A_CALL = 64  # few enough to be one batch among those of questions


class LocalEmbeds:
    """A loaded model; it is the one it is, whatever name it is asked by."""

    def __init__(self, model: Embedder) -> None:
        self._model = model

    def embed(self, texts: Sequence[str], fingerprint: str) -> tuple[Embeddings, ...]:
        """Embeds documents; the model batches them itself."""
        assert fingerprint == self._model.fingerprint
        return (self._model.embed(texts),)


class RemoteEmbeds:
    """The Embedder deployment, for a thread beside the event loop that its handle belongs to.

    Every method raises EmbedderUnavailableError when no replica answers.
    """

    def __init__(self, handle: DeploymentHandle, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = handle
        self._loop = loop
        self._spans: tuple[str, TokenSpans] | None = None

    def token_spans(self, wanted: str | None) -> TokenSpans:
        """Gives the tokenizer; asked for anew by every document, made anew when it is another."""
        tokenizer_json: str = self._ask("tokenizer_json", wanted)
        if self._spans is None or self._spans[0] != tokenizer_json:
            self._spans = (tokenizer_json, TokenSpans(tokenizer_json))
        return self._spans[1]

    def fingerprint(self, wanted: str | None) -> str:
        """Names the model that embeds for a store."""
        fingerprint: str = self._ask("fingerprint", wanted)
        return fingerprint

    def embed(self, texts: Sequence[str], fingerprint: str) -> Iterator[Embeddings]:
        """Embeds documents, some at a time."""
        for start in range(0, len(texts), _TEXTS_A_CALL):
            some = texts[start : start + _TEXTS_A_CALL]
            yield self._ask("embed", some, "document", None, fingerprint)

    def _ask(self, method: str, *args: Any) -> Any:
        async def ask() -> Any:
            return await getattr(self._handle, method).remote(*args)

        if self._loop.is_closed():
            raise EmbedderUnavailableError("the process that asks the Embedder ends")
        try:
            return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()
        except (RayActorError, RayServeException, ObjectLostError, ModelBusyError) as err:
            raise EmbedderUnavailableError(f"the Embedder does not answer: {err}") from err
        except CancelledError as err:  # the loop gives up its tasks when the replica is stopped
            raise EmbedderUnavailableError("the process that asks the Embedder ends") from err
