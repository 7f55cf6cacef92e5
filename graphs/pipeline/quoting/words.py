"""The words of a text that tell what it is about, its names and its years."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’.,:/-][^\W_]+)*")  # noqa: RUF001 - both apostrophes are meant
_FUNCTION = frozenset(
    """a about across after again against all along also am among an and any anybody anyone anything
    are around as ask at be because been before being below between both but by can cannot could day
    did do does doing don't done down during each either else end ever every few find first for from
    further get gets give given go goes going got had happen happens has have having he her here him
    his how i i'm if in into is isn't it it's its itself just kind know last let like long make many
    may me might mine more most much must my near need needed needs no nor not now of off often old
    on once one only onto or other our out over own per please put same set shall she should so some
    somebody someone something sort still such take taken takes tell than that that's the their them
    then there these they this those through to too under until up upon us use used very want was we
    were what what's when where which while who whom whose why will with within without would yes
    you your way far high big large exactly mean means called name there's does doesn't didn't
    """.split()  # noqa: SIM905 - read easier so
)
YEAR = re.compile(r"(?<![\d.,-])(?:19|20)\d\d(?![\d,]|\.\d)")


_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""))
_SHORTEST = 3  # letters of a stem


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Cuts the commonest English endings off a word in lower case."""
    word = word.removesuffix("'s").removesuffix("’s")  # noqa: RUF001
    for ending, rest in _ENDINGS:
        if (
            word.endswith(ending)
            and len(word) - len(ending) >= _SHORTEST
            and not word.endswith("ss")
        ):
            word = word[: -len(ending)] + rest
            break
    if len(word) > _SHORTEST and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > _SHORTEST else word


def words_of(text: str) -> list[str]:
    """Gives the words in lower case, in their order."""
    return [match.group().lower() for match in _WORD.finditer(text)]


def content_stems(text: str) -> list[str]:
    """Gives the stems of the words that say something, each once, in their order."""
    words = (word for word in words_of(text) if word not in _FUNCTION)
    return list(dict.fromkeys(stem(part) for word in words for part in _parts(word)))


def all_stems(text: str) -> frozenset[str]:
    """Gives the stems of all words, whole and in parts."""
    return frozenset(stem(part) for word in words_of(text) for part in _parts(word))


def _parts(word: str) -> list[str]:
    parts = [part for part in re.split(r"[./:-]", word) if part]
    if len(parts) == 1 or any(char.isdigit() for char in word):
        return [word]
    return parts


def file_words(filename: str) -> str:
    """Gives the name of a file in words: "wave96-rates.json" is "wave 96 rates"."""
    stem_of_file = re.sub(r"\.\w{1,5}$", "", filename)
    apart = re.sub(r"(?<=[^\W\d_]{3})(?=\d)", " ", stem_of_file)
    return " ".join(re.split(r"[\s_.-]+", apart)).strip()


def names(text: str) -> list[str]:
    """Gives capitalised words that no start of a sentence explains, in lower case."""
    found = re.finditer(r"(?<=[^.?!:\s])\s+([A-Z][^\W\d_]{2,})", text)
    return list(dict.fromkeys(match.group(1).lower() for match in found))
