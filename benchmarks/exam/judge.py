"""What makes an answer right. It reads words and the names of cited files, and knows no system.

answer  -- every fact in one of its spellings --------------------------+
        -- nothing of `wrong`, but beside all facts with their label ---+--> right
        -- at most `max_words` words -----------------------------------+
cited   -- each asked document, and no other ---------------------------+
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.exam.questions import Question

# How declines begin, of this system and of others, in the languages of the questions.
_DECLINE = re.compile(
    r"""
    \b(i|we)\ (do\ not|don't|cannot|can't|could\ not|couldn't)\ (know|find|answer|tell|say)
    | \b(documents?|passages?|sources?|context|excerpts?|texts?|files?|information|guide|manual
        |list|minutes|page|table)\b.{0,60}\b(do|does)(n't|\ not)
        \ (say|tell|state|mention|contain|include|provide|specify|give|answer|list|name)
    | \bnot\ (mentioned|stated|specified|listed|given)\ in\ the\b
    | \bthere\ is\ no\ (information|mention|answer)
    | \bweiß\ (ich|es)\b.{0,12}\bnicht | \bich\ weiß\ (das\ |es\ )?nicht | \bkeine\ angaben?\b
    | \bje\ ne\ (le\ )?sais\ pas | \bno\ lo\ sé
    """,
    re.VERBOSE,
)
_MARKER = re.compile(r"\[\d+\]")
_MARKUP = str.maketrans({"*": "", "`": "", "\u2019": "'", "\u2011": "-", "\u2010": "-"})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of one answer.

    Attributes:
        right: in every respect.
        false: something untrue is stated, or an answer given where there is none.
        complete: all facts are there, whatever else is.
        cited: the asked documents are cited, and none that is beside the point.
        declined: the answer says that it does not know.
    """

    right: bool
    false: bool
    complete: bool
    cited: bool
    declined: bool


def judge(question: Question, answer: str, cited: Iterable[str]) -> Verdict:
    """Judge the answer to a question's last turn.

    Args:
        question: what was asked.
        answer: the whole text, with its [n] markers.
        cited: the file name of each cited passage.
    """
    named = set(cited)
    declined = is_decline(answer)
    complete = all(states(answer, spellings) for spellings in question.facts)
    labelled = complete and states(answer, question.labels)
    untrue = states(answer, question.wrong) and not labelled
    asked = set(question.documents)
    sourced = asked <= named <= asked | set(question.also)
    fits = num_words(answer) <= question.max_words
    said = bool(answer.strip())
    match question.expect:
        case "decline":
            right, false = declined, said and not declined
        case "chat":
            right, false = said and not declined and not named, bool(named)
        case _:
            declined = declined and not complete
            right = complete and not untrue and sourced
            false = untrue and not declined
    return Verdict(
        right=right and fits,
        false=false,
        complete=complete,
        cited=sourced,
        declined=declined,
    )


def states(text: str, spellings: Sequence[str]) -> bool:
    """Say whether a text holds one of the spellings as whole words and numbers."""
    plain = normal(text)
    return any(_whole(normal(spelling)).search(plain) for spelling in spellings)


def normal(text: str) -> str:
    """Return a text in the one way in which texts are compared.

    Letters are small, white space is one blank, markers and emphasis are gone, 1,200 is 1200 and
    4,80 is 4.80; an amount is written as in "4.8 euros".
    """
    text = _MARKER.sub(" ", text).translate(_MARKUP)
    text = re.sub(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))", "", text)
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(?<=\d)[,.'](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d),(?=\d{1,2}(?!\d))", ".", text)
    text = re.sub(r"(?:€|\beur\b) ?(\d+(?:\.\d+)?)", r"\1 euros", text)
    text = re.sub(r"(?<=\d) ?(?:€|eur\b|euros?\b)", " euros", text)
    text = re.sub(r"(?<=\d)\.00(?!\d|\.\d)|(?<=\.\d)0(?= euros)", "", text)
    text = re.sub(r"(?<=\d) (?=%)", "", text)
    return " ".join(text.split())


def is_decline(answer: str) -> bool:
    """Say whether the first sentence of an answer says that there is none."""
    plain = " ".join(answer.lower().replace("\u2019", "'").split())
    return bool(_DECLINE.search(re.split(r"(?<=[.!?]) ", plain)[0]))


def num_words(answer: str) -> int:
    """Count the words of an answer; its markers are none."""
    words = _MARKER.sub(" ", answer).split()
    return sum(any(map(str.isalnum, word)) for word in words)


def _whole(spelling: str) -> re.Pattern[str]:
    # Neither a part of a word nor of a number: 5 is not in 45, 4.5, 5.3, 5:30 or A5.
    return re.compile(rf"(?<!\w)(?<!\d[.:]){re.escape(spelling)}(?!\w)(?![.:]\d)")
