"""From a text to what BM25 reads as its words; the same for passages and for queries.

    "Größe: KX-4412, 退货政策, C++"  ->  "Größe: KX-4412, 退货 货政 政策 , C++ kx4412 cplusplus"

tantivy splits what comes out at all but letters and digits. What that would lose is written out
before: scripts without blanks as pairs of characters, and names with marks inside as one word too.
Most texts hold neither and are handed on as they are.
"""

import hashlib
import re
import unicodedata
from itertools import islice, pairwise

from index.identifiers import joined
from index.parsing.document import clean_text

MAX_WORD_CHARS = 128  # SHA-512 in hex; a longer word is found by its hash, so by all of it alone
MAX_NAMES = 256  # of a passage; hostile text is all names

# Scripts written without blanks, and Hangul, whose particles are glued to their words: Thai, Lao,
# Burmese, Hangul, Khmer, kana, Han.
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_DENSE_RUN = re.compile(f"[{_DENSE}]+")
_LONG = re.compile(rf"[^\W_]{{{MAX_WORD_CHARS + 1},}}")
# A name is of parts with single marks between. Possessive: what was read is never read again.
_NAME = re.compile(r"(?<![^\W_])[A-Za-z0-9]++(?:[-_./:+][A-Za-z0-9]++)++")
_DIGIT = re.compile(r"\d")
_AMOUNT = re.compile(r"\d+[-_./:+]\d+")  # 3.50, 10:30, 5-6: its parts say enough
_SIGNED = re.compile(r"(?<![^\W_])([A-Za-z])(\+\+|#)(?![^\W_])")
_SIGNS = {"++": "plusplus", "#": "sharp"}
_NEEDS_MORE = re.compile(r"\d[-_./:+][A-Za-z0-9]|[A-Za-z][-_./:+]\d|[A-Za-z](?:\+\+|#)")


def query_words(text: str) -> str:
    """What BM25 reads of a query: cleaned as texts are when they are parsed."""
    return indexed_words(clean_text(text))


def indexed_words(text: str) -> str:
    """What BM25 reads of a clean text."""
    if not text.isascii():
        text = _DENSE_RUN.sub(_pairs, unicodedata.normalize("NFKC", text))
    if len(text) > MAX_WORD_CHARS:
        text = _LONG.sub(lambda run: long_word(run[0]), text)
    if _NEEDS_MORE.search(text):
        text = " ".join((text, *_names(text)))
    return text


def long_word(word: str) -> str:
    """Stands for a word that is too long to be kept."""
    return "h" + hashlib.blake2s(word.lower().encode(), digest_size=15).hexdigest()


def _names(text: str) -> list[str]:
    """The names of a text that have marks inside or behind them, each as one word."""
    found: dict[str, None] = {}
    for match in islice(_NAME.finditer(text), MAX_NAMES):
        if _DIGIT.search(match[0]) and not _AMOUNT.fullmatch(match[0]):
            name = joined(match[0])
            found[name] = found[name.removeprefix("v")] = None
    for match in islice(_SIGNED.finditer(text), MAX_NAMES):
        found[match[1] + _SIGNS[match[2]]] = None
    return [name if len(name) <= MAX_WORD_CHARS else long_word(name) for name in found]


def _pairs(run: re.Match[str]) -> str:
    """A run of a script without blanks as its overlapping pairs; marks that ride on letters go."""
    letters = [char for char in run[0] if unicodedata.category(char)[0] in "LN"]
    if len(letters) < 2:
        return f" {''.join(letters)} "
    pairs = (a + b for a, b in pairwise(letters))
    return f" {' '.join(pairs)} "
