"""Where the tokens of a text lie, without loading a model."""

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
