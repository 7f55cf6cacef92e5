"""Synonyms, frequent nouns and glosses from the files of WordNet 3.0 (package wordnet-base)."""

import re
from dataclasses import dataclass
from pathlib import Path

PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
MAX_SYNONYMS = 4


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """What the question rules need of WordNet; empty when it is not installed.

    Attributes:
        synonyms: word -> words of its first sense.
        nouns: frequent single-word nouns.
        glosses: (noun, definition) pairs.
    """

    synonyms: dict[str, tuple[str, ...]]
    nouns: tuple[str, ...]
    glosses: tuple[tuple[str, str], ...]


def _first_senses(path: Path) -> dict[str, tuple[str, int]]:
    """Reads an index file: lemma -> (offset of the first sense, how many senses are tagged)."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith(" "):
            continue
        fields = line.split()
        if re.fullmatch(r"[a-z]{3,}", fields[0]):
            senses = int(fields[2])
            found[fields[0]] = (fields[-senses], int(fields[-senses - 1]))
    return found


def _synsets(path: Path) -> dict[str, tuple[list[str], str]]:
    """Reads a data file: offset -> (lemmas, definition)."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith(" "):
            continue
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        lemmas = [fields[4 + 2 * i].lower() for i in range(int(fields[3], 16))]
        found[fields[0]] = (lemmas, re.split(r';\s*"', gloss)[0].strip())
    return found


def read_lexicon(folder: Path) -> Lexicon:
    """Reads `index.*` and `data.*` of WordNet.

    Args:
        folder: holds the database files; if it does not exist the lexicon is empty.

    Returns:
        Synonyms of the first sense only: rarer senses mislead more than they teach.
    """
    synonyms: dict[str, set[str]] = {}
    nouns, glosses = [], []
    for name in PARTS_OF_SPEECH if folder.is_dir() else ():
        senses = _first_senses(folder / f"index.{name}")
        synsets = _synsets(folder / f"data.{name}")
        for word, (offset, tagged) in senses.items():
            lemmas, definition = synsets[offset]
            others = [w for w in lemmas if w != word and w in senses and senses[w][1] > 0]
            if tagged and others:
                synonyms.setdefault(word, set()).update(others[:MAX_SYNONYMS])
            if name == "noun" and tagged and "(" not in definition:
                nouns.append(word)
                glosses.append((word, definition))
    return Lexicon(
        synonyms={word: tuple(sorted(found)) for word, found in synonyms.items()},
        nouns=tuple(nouns),
        glosses=tuple(glosses),
    )
