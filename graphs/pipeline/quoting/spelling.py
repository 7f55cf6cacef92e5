"""A question whose misspelt words are those that were meant, by what was found for it.

how meny devises in the agensy plan  ->  how many devices in the agency plan

A word is doubted if neither the found passages nor common English have it. What is spelt like it,
or sounds so, is taken from the passages; for a word of an English question that is no name, from
common English too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache

from graphs.pipeline.quoting.language import is_foreign
from graphs.pipeline.quoting.words import stem
from index.searching.request import Hit
from models.bundled.english import english_words

_WORD = re.compile(r"[^\W\d_]{3,32}")
_MAX_CHARS = 1000  # of a question that is looked through
_RARE = 10_000  # from this rank on a word may be another one misspelt: pas, wen, pol
_LONG = 6  # letters: two of them may be wrong
_LONG_ABROAD = (7, 10)  # where one may be wrong, and two, if the question is of another language
_CONTRACTED = frozenset("arent cant didnt doesnt dont hasnt isnt theres whats wheres wont".split())  # noqa: SIM905
_COMMON = 2_500  # up to this rank a word may be what a rare one stands for
_FREQUENT = 4_000  # the same for an unknown one of another sound: cider is not wider
_SHORTEST = 3
_HEARD = 0.5  # the cost of what sounds alike, in letters
_MOST_UNHEARD = 3  # letters by which words differ that sound alike
_ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "est", "ly")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"[ts]i?on|shun|cian", "xn"), (r"ght", "t"), (r"ph", "f"), (r"^wh", "w"), (r"^kn", "n"),
        (r"^wr", "r"), (r"chs|ks|cks", "x"), (r"tch", "ch"), (r"ck|c(?![eiyh])|q", "k"),
        (r"c(?!h)|z", "s"), (r"dge?", "j"), (r"gh", ""), (r"(?<=.)e(?=s?$)", ""),
        (r"ea|ee|ie|ei|ey|y", "i"), (r"oo|ou|ew", "u"), (r"oa", "o"), (r"ai|ay", "a"),
        (r"(.)\1+", r"\1"),
    )
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The words of the passages, with how often they stand there."""

    words: Mapping[str, int]
    stems: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, hits: Iterable[Hit]) -> "_Found":
        texts: dict[str, None] = {}
        for hit in hits:
            around = [text for one in hit.around for text in (one.title, one.text)]
            texts |= dict.fromkeys([hit.filename, hit.title, hit.text, *around])
        words = Counter(word for text in texts for word in _words(text))
        return cls(words=words, stems=frozenset(map(stem, words)))

    def has(self, word: str) -> bool:
        return stem(word) in self.stems


def corrected(question: str, hits: Iterable[Hit]) -> str:
    """Gives the question with the words that were meant; mostly it is as it was.

    Args:
        question: as it was asked; of a long one the beginning is looked through.
        hits: what was found for it.
    """
    head, rest = question[:_MAX_CHARS], question[_MAX_CHARS:]
    if all(_is_common(word) for word in _words(head)):
        return question
    found = _Found.of(hits)
    foreign = is_foreign(head)

    def meant(match: re.Match[str]) -> str:
        written = match.group()
        word, is_name = written.lower(), match.start() > 0 and written[0].isupper()
        if written.isupper() or _is_common(word) or found.has(word):
            return written
        best = _meant(word, found.words, from_english=not (foreign or is_name), foreign=foreign)
        return best.capitalize() if written[0].isupper() else best

    return _WORD.sub(meant, head) + rest


def _is_common(word: str) -> bool:
    """Says whether it is a common English word, or a form of one."""
    is_listed = english_words().get(word, _RARE) < _RARE
    return is_listed or word in _CONTRACTED or _is_form(word)


def _is_form(word: str) -> bool:
    """Says whether a word is a common one with an English ending."""
    known = english_words()
    for ending in _ENDINGS:
        root = word.removesuffix(ending)
        if root != word and len(root) >= _SHORTEST:
            roots = [root, f"{root}e", f"{root.removesuffix('i')}y"]
            roots += [root[:-1]] if root[-1] == root[-2] else []
            if any(known.get(one, _RARE) < _RARE for one in roots):
                return True
    return False


def _meant(word: str, found: Mapping[str, int], *, from_english: bool, foreign: bool) -> str:
    """Gives the nearest word, of the passages rather than another; the word itself if none is."""
    is_word = word in english_words()  # a rare one: only what sounds like it may be meant
    reach = 0 if is_word else _reach(word, foreign=foreign)
    near = [
        (cost, -count, other)
        for other, count in found.items()
        if (cost := _cost(word, other, reach)) is not None
    ]
    if from_english:
        near += [
            (cost, rank, other)
            for other, rank in _common(word)
            if (cost := _cost(word, other, min(reach, 1))) is not None
            and (rank < _COMMON or not is_word)
            and (rank < _FREQUENT or cost == _HEARD)
        ]
    return min(near)[2] if near else word


def _reach(word: str, *, foreign: bool) -> int:
    """How many letters of a word may be wrong."""
    if foreign:
        return sum(len(word) >= least for least in _LONG_ABROAD)
    return 2 if len(word) >= _LONG else 1


def _cost(word: str, other: str, reach: int) -> float | None:
    """How far two words are apart; None if the one is not taken for the other.

    Args:
        word: as it is written.
        other: what may be meant.
        reach: most letters that may be wrong where the two do not sound alike.
    """
    if abs(len(word) - len(other)) > _MOST_UNHEARD or min(len(word), len(other)) < _SHORTEST:
        return None
    if _sound(word) == _sound(other):
        return _HEARD if _distance(word, other) <= _MOST_UNHEARD else None
    if abs(len(word) - len(other)) > reach or len(word) == _SHORTEST:
        return None
    distance = _distance(word, other)
    starts_alike = word[0] == other[0] or sorted(word[:2]) == sorted(other[:2])
    return float(distance) if distance <= reach and starts_alike else None


def _common(word: str) -> list[tuple[str, int]]:
    """Gives the English words that sound like a word or differ in one letter, with their ranks."""
    known = english_words()
    near = {one for one in _one_letter_off(word) if one in known}
    return [(one, known[one]) for one in near.union(_by_sound().get(_sound(word), ()))]


def _one_letter_off(word: str) -> set[str]:
    splits = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    left_out = {a + b[1:] for a, b in splits if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    changed = {a + letter + b[1:] for a, b in splits if b for letter in _LETTERS}
    added = {a + letter + b for a, b in splits for letter in _LETTERS}
    return (left_out | swapped | changed | added) - {word}


@cache
def _by_sound() -> Mapping[str, tuple[str, ...]]:
    alike: dict[str, list[str]] = {}
    for word in english_words():
        alike.setdefault(_sound(word), []).append(word)
    return {sound: tuple(words) for sound, words in alike.items()}


@lru_cache(maxsize=50_000)
def _sound(word: str) -> str:
    """How a word sounds, roughly: night and nite are nit."""
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word


def _distance(one: str, other: str) -> int:
    """Counts letters left out, added, changed and swapped (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        this = [row]
        for column, counterpart in enumerate(other, start=1):
            best = min(last[column] + 1, this[-1] + 1, last[column - 1] + (letter != counterpart))
            is_swap = row > 1 and column > 1 and letter == other[column - 2]
            if is_swap and one[row - 2] == counterpart:
                best = min(best, before[column - 2] + 1)
            this.append(best)
        before, last = last, this
    return last[-1]


def _words(text: str) -> Iterator[str]:
    return (match.group().lower() for match in _WORD.finditer(text))
