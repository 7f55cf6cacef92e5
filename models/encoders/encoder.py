"""Encoders: a row of numbers for a text, or for a pair of texts.

Embedder, reranker and safety classifier are such models. Two engines run them:

    torch   any checkpoint of sentence-transformers or transformers; a CPU, or a share of a GPU
    onnx    the same model in ONNX Runtime, on a CPU: answers short texts in a third of the time and
            starts in a tenth, since a process without torch imports seconds less. The graph is
            exported once, by the torch engine (onnx_export.py), and kept in the cache.

Both give the same numbers to within float32 rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from models.device import Share, pick_device
from models.encoders.batches import batches_of
from models.encoders.encoder_engine import EncoderModel, Ids, Rows, Task
from models.encoders.late_states import LateStates
from models.errors import InvalidInputError, check_limits, check_load_timeout
from models.hub import check_model, resolve

EncoderEngine = Literal["torch", "onnx"]
Text = str | tuple[str, str]

# Of prose, in a tokenizer of word pieces; and more than any text has, but for its blanks.
CHARS_A_TOKEN, _MOST_CHARS_A_TOKEN = 4, 64


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Which encoder is loaded and how it is fed.

    Attributes:
        model: model id (models/hub.py).
        revision: commit of a hub model.
        engine: see the module's docstring.
        max_tokens: of one input; longer ones are cut. None means the model's own limit.
        batch_size: most inputs in one forward pass; fewer where padding would cost more.
        max_batch_tokens: about so many tokens are in work at once, whoever asks; what asks for more
            takes turns with others, and a short call waits for so many. A CPU core takes 0.1 s for
            256 and gains nothing by more; a GPU does.
        num_threads: that compute on a CPU; None: as many as whole CPUs are allotted, at least 1. A
            second one answers a single request sooner and costs a tenth more CPU time.
        max_wait_s: a short call is refused at once when what waits before it takes longer; below
            the time that its callers wait for an answer (`timeouts.model_s` of the Gateway).
        allow_cpu: whether the CPU serves where `num_gpus` is set and torch sees no GPU.
        load_timeout_s: a load that takes longer, downloads included, has failed.
    """

    model: str
    revision: str | None = None
    engine: EncoderEngine = "torch"
    max_tokens: int | None = None
    batch_size: int = 32
    max_batch_tokens: int = 256
    num_threads: int | None = None
    max_wait_s: float = 20.0
    allow_cpu: bool = False
    load_timeout_s: float = field(default=1800.0, compare=False)  # no reason to load anew

    def __post_init__(self) -> None:
        """Checks the model id and the ranges."""
        check_model(self.model, self.revision)
        if self.engine not in get_args(EncoderEngine):
            msg = f"engine must be one of {get_args(EncoderEngine)}, got {self.engine!r}"
            raise InvalidInputError(msg)
        check_limits(
            self, {"batch_size": (1, 1024), "max_tokens": (8, inf), "max_batch_tokens": (1, inf)}
        )
        check_limits(self, {"num_threads": (1, 1024), "max_wait_s": (0, inf)})
        check_load_timeout(self.load_timeout_s)


class Encoder:
    """A loaded encoder and its tokenizer. Not thread-safe: one call at a time.

    Args:
        config: which one, and how it is fed.
        task: what its rows are.
        cache: the folder of models.
        share: of this machine.
        kept_state_bytes: of texts that come again, where the model joins late (late_states.py).

    Raises:
        InvalidInputError: the engine cannot run here, or cannot run this model.
        ModelNotFoundError: there is no such model.
        UnsafeModelError: its weights are pickled, or not those expected.
    """

    def __init__(
        self,
        config: EncoderConfig,
        task: Task,
        *,
        cache: Path,
        share: Share,
        kept_state_bytes: int = 0,
    ) -> None:
        folder = resolve(config.model, config.revision, cache)
        share = replace(share, num_cpus=config.num_threads or share.num_cpus)
        self._model = _load(folder, task, config.engine, cache, share)
        self._tokenizer = self._model.tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer_json: str = self._tokenizer.to_str()
        self._batch_size = config.batch_size
        self._late = None
        if self._model.late is not None:
            self._late = LateStates(
                self._model.late,
                pad_id=self._model.pad_id,
                batch_size=config.batch_size,
                pass_tokens=self._model.pass_tokens,
                max_bytes=kept_state_bytes,
            )
        self.max_tokens = config.max_tokens or self._model.max_tokens
        self.labels = self._model.labels

    def tokenizer_json(self) -> str:
        """Gives the tokenizer, for whoever must cut texts by this model's tokens."""
        return self._tokenizer_json

    def tokenize(self, texts: Sequence[Text]) -> list[Any]:
        """Gives the tokens of each text or pair, cut at the longer part to `max_tokens`."""
        self._tokenizer.enable_truncation(self.max_tokens, strategy="longest_first")
        encodings: list[Any] = self._tokenizer.encode_batch([self._cut(text) for text in texts])
        return encodings

    def cost(self, *texts: str) -> int:
        """Estimates the tokens of an input from its length; `max_tokens` at most, 1 at least."""
        most = CHARS_A_TOKEN * self.max_tokens
        num_bytes = sum(len(text[:most].encode("utf-8", "replace")) for text in texts)
        return min(num_bytes // CHARS_A_TOKEN, self.max_tokens - 1) + 1

    def _cut(self, text: Text) -> Text:
        """Leaves out what lies beyond the last token, so that a long text is not tokenised."""
        most = _MOST_CHARS_A_TOKEN * self.max_tokens
        return text[:most] if isinstance(text, str) else (text[0][:most], text[1][:most])

    def windows(self, texts: Sequence[str]) -> tuple[list[Any], list[int]]:
        """Gives the tokens of windows that overlap by a quarter, and the text of each window."""
        self._tokenizer.enable_truncation(self.max_tokens, stride=self.max_tokens // 4)
        found, owners = [], []
        for owner, encoding in enumerate(self._tokenizer.encode_batch(list(texts))):
            windows = [encoding, *encoding.overflowing]
            found += windows
            owners += [owner] * len(windows)
        return found, owners

    def run(self, encodings: Sequence[Any]) -> Rows:
        """Runs inputs of like length together; gives the rows in the order of the inputs.

        Args:
            encodings: at least one, from `tokenize` or `windows`.

        Returns:
            float32, (n_inputs, width): an embedding, or a logit for each label.
        """
        if self._late is not None:
            return self._late.rows([(encoding.ids, encoding.type_ids) for encoding in encodings])
        batches = batches_of(
            [len(encoding.ids) for encoding in encodings],
            most=self._batch_size,
            pass_tokens=self._model.pass_tokens,
        )
        rows = np.concatenate(
            [self._model.forward(*self._padded([encodings[i] for i in batch])) for batch in batches]
        )
        in_order = np.empty_like(rows)
        in_order[np.concatenate(batches)] = rows
        return in_order

    def _padded(self, encodings: Sequence[Any]) -> tuple[Ids, Ids, Ids]:
        shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
        ids = np.full(shape, self._model.pad_id, np.int64)
        mask, types = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            ids[row, :length], mask[row, :length] = encoding.ids, 1
            types[row, :length] = encoding.type_ids
        return ids, mask, types


def _load(
    folder: Path, task: Task, engine: EncoderEngine, cache: Path, share: Share
) -> EncoderModel:
    if engine == "onnx":
        if share.num_gpus > 0:
            msg = f"the onnx engine runs on a CPU, got {share.num_gpus} GPUs; torch uses them"
            raise InvalidInputError(msg)
        from models.encoders.onnx_encoder import OnnxEncoder, exported

        return OnnxEncoder(exported(folder, task, cache), share)
    from models.encoders.torch_encoder import TorchEncoder

    return TorchEncoder(folder, task, pick_device(share))
