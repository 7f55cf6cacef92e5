"""Where the tokens of a text lie, without loading a model."""

from pathlib import Path

from tokenizers import Tokenizer


class TokenSpans:
    """Cuts texts as a model's tokenizer does."""

    def __init__(self, tokenizer_json: str) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """Gives the characters (start, end) of every token of a text."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [(int(start), int(end)) for start, end in encoded.offsets]


def read_tokenizer(folder: Path) -> str:
    """Gives the tokenizer of a model's folder as `TokenSpans` takes it.

    Reads the file where there is one: transformers, which makes it otherwise, takes seconds to
    import.
    """
    path = folder / "tokenizer.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    from transformers import AutoTokenizer

    text: str = AutoTokenizer.from_pretrained(folder).backend_tokenizer.to_str()
    return text
