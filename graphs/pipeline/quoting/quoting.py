"""Chooses what of the found passages is quoted, and writes it as an answer with its citations.

part of the question --> hits -> rerank -> units of the best -> rerank -> fit -> newest
|
statements <- lists, what a sentence needs before or after it <- best, if it is good enough
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby

import numpy as np
import numpy.typing as npt

from graphs.pipeline.quoting.fitting import (
    AGAINST,
    ANSWER_WEIGHTS,
    JUDGE_WEIGHT,
    WEIGHTS,
    Fit,
    is_possible,
)
from graphs.pipeline.quoting.lists import together
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.row_text import row_text
from graphs.pipeline.quoting.units import Unit
from graphs.pipeline.quoting.versions import (
    are_versions,
    named_numbers,
    named_years,
    tells_version,
    version_of,
)
from graphs.pipeline.quoting.words import all_stems
from index.identifiers import holds
from index.searching.request import Hit
from models.scores import logit

Scores = npt.NDArray[np.float64]

MAX_WORDS = 110
SAME_FILE = 1.5  # for the second part of a question that goes on with the first
SAME_THING = 4.0  # the same where it says "it"
REPEATED = 1.5  # against a sentence that answers the part before already
SAME_ROW = 2.0  # for the row that was the answer before, if nothing in the question is of another
_MOST_OF_A_LIST = 1.0  # that the relevance of a passage says for its list, a logit
_ALIKE = 0.6  # of two sentences without their numbers
_WORSE = 3.0  # than the best, a logit: what another version says under the same heading


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A unit with what speaks for it.

    Attributes:
        relevance: that it answers, a logit; what the judge has not seen does not.
        value: that it answers, and how well its words fit: the higher, the rather it is quoted.
        list_relevance: of the passage, a logit, where the unit stands for its list.
    """

    unit: Unit
    relevance: float
    value: float
    list_relevance: float = -math.inf


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A piece of an answer, of one passage."""

    text: str
    hit: Hit
    relevance: float
    is_line: bool = False

    @property
    def num_words(self) -> int:
        """Its length."""
        return len(self.text.split())


def weigh(part: Part, units: Sequence[Unit], passages: Scores, own: Scores) -> list[Candidate]:
    """Gives the units that can answer, best first.

    Args:
        part: what is asked.
        units: what could be quoted.
        passages: logits of their passages, float64, (n_units,).
        own: their own logits, float64, (n_units,).
    """
    fit = Fit(part, units)
    found = []
    for unit, passage, itself in zip(units, passages.tolist(), own.tolist(), strict=True):
        if is_possible(part, unit):
            # An item says little of its list.
            is_listed = part.may_mean_list and unit.kind in ("lead", "item")
            alone = max(itself, passage) if is_listed else itself
            features = fit.features(unit, passage, alone)
            relevance, fitness = np.dot((ANSWER_WEIGHTS, WEIGHTS), features).tolist()
            # It may say it in other words than the question.
            speaks_against = any(features[AGAINST])
            value = fitness if speaks_against else max(fitness, (passage + alone) / 2)
            listed = passage if is_listed else -math.inf
            one = Candidate(unit=unit, relevance=relevance, value=value, list_relevance=listed)
            found.append((value, fitness, one))
    return [one for _, _, one in sorted(found, key=lambda one: (-one[0], -one[1]))]


def judged(candidates: Sequence[Candidate], logits: Scores) -> list[Candidate]:
    """Gives the candidates again, best first, with what the judge says of the first of them.

    Args:
        candidates: best first.
        logits: of the judge, for the first of them, float64, (n_judged,).
    """
    found = []
    for one, logit_ in zip(candidates, logits.tolist(), strict=False):
        says = max(logit_, min(one.list_relevance, _MOST_OF_A_LIST))
        relevance, value = one.relevance + says, one.value + JUDGE_WEIGHT * says
        found.append(replace(one, relevance=relevance, value=value))
    others = (
        replace(one, relevance=-math.inf, value=-math.inf) for one in candidates[len(logits) :]
    )
    return [*sorted(found, key=lambda one: -one.value), *others]


def newest(part: Part, best: Candidate, found: Sequence[Candidate]) -> tuple[Candidate, str]:
    """Gives what the newest version says of it, and of when that is if other versions differ.

    Who asks how it was before is told what the one before the newest says.

    Versions seldom say a thing in the same words, but mostly under the same heading.
    """
    others = [one for one in found if are_versions(best.unit, one.unit)]
    if named_years(part.text) or not others:
        return best, ""
    telling = [one for one in others if _is_below_its_heading(best, one)] or [
        one for one in others if _are_alike(best.unit, one.unit)
    ]
    known = [best, *telling]  # the best first
    ages = sorted({version_of(one.unit).age for one in known})
    wanted = ages[-2] if part.asks_earlier and len(ages) > 1 else ages[-1]
    chosen = next(one for one in known if version_of(one.unit).age == wanted)
    is_newest = version_of(chosen.unit).age >= max(version_of(one.unit).age for one in others)
    differs = any(one.unit.text != chosen.unit.text for one in (best, *telling))
    return chosen, version_of(chosen.unit).label if differs or not is_newest else ""


def _is_below_its_heading(best: Candidate, other: Candidate) -> bool:
    section = best.unit.path[1:]
    return bool(section) and section == other.unit.path[1:] and other.value >= best.value - _WORSE


def _are_alike(one: Unit, other: Unit) -> bool:
    first, second = (re.sub(r"\d[\d.,:]*", "0", unit.text.lower()) for unit in (one, other))
    return SequenceMatcher(None, first[:400], second[:400], autojunk=False).ratio() >= _ALIKE


def statements(part: Part, best: Candidate, label: str) -> list[Statement]:
    """Writes the chosen unit with what belongs to it."""
    units = together(part, best.unit)
    head = _heading(part, best.unit)
    if len(units) == 1 or units[1].continues:
        text = _sentence(part, best.unit) if len(units) == 1 else units[0].text
        head = "" if head and text.startswith(head) else head
        if label:
            head = f"{head} (as of {label})" if head else f"As of {label}"
        text = f"{head}: {text}" if head else text
        rest = [_statement(unit.text, replace(best, unit=unit)) for unit in units[1:]]
        return [_statement(text, replace(best, unit=units[0])), *rest]
    lead = best.unit.text if best.unit.kind == "lead" else best.unit.lead_in
    lines = [
        _statement(unit.text, replace(best, unit=unit), is_line=not unit.continues)
        for unit in units
    ]
    title = lead or (f"{head or ''.join(best.unit.path[-1:])}:").lstrip(":")
    if label:
        title = f"As of {label}: {title}".rstrip(" :") + ":"
    if not title:
        return lines
    return [Statement(text=title, hit=lines[0].hit, relevance=best.relevance), *lines]


def _statement(text: str, of: Candidate, *, is_line: bool = False) -> Statement:
    return Statement(text=text, hit=of.unit.hit, relevance=of.relevance, is_line=is_line)


def _sentence(part: Part, unit: Unit) -> str:
    if unit.kind == "row":
        return row_text(part, unit)
    asks_reason = part.is_polar or part.text.lower().startswith("why")
    return f"{unit.whole} {unit.after}" if unit.after and asks_reason else unit.whole


def _heading(part: Part, unit: Unit) -> str:
    """Gives the heading that must be read with a unit, since it holds more of what was asked."""
    if part.asks_which_version:
        dated = [heading for heading in unit.path if tells_version(heading)]
        if dated:
            return dated[-1].rstrip(" :")
    asked, told = set(part.stems), all_stems(f"{unit.whole} {unit.columns}")
    for heading in reversed(unit.path):
        gained = (asked & all_stems(heading)) - told
        exact = [one for one in part.identifiers if holds(heading, one)]
        numbers = [one for one in named_numbers(part.text) if one in heading]
        if any(not holds(unit.whole, one) for one in exact) or any(
            one not in unit.whole for one in numbers
        ):
            return heading.rstrip(" :")
        if len(gained) > len(asked & told):
            return heading.rstrip(" :")
    return ""


def limited(found: Sequence[Statement], *, max_passages: int) -> list[Statement]:
    """Gives the first statements that an answer has room for, without repetitions."""
    kept: list[Statement] = []
    num_words = 0
    for one in found:
        passages = {other.hit.chunk_id for other in kept} | {one.hit.chunk_id}
        num_words += one.num_words
        if kept and (num_words > MAX_WORDS or len(passages) > max_passages):
            break
        if all(one.text not in other.text for other in kept):
            kept.append(one)
        else:
            num_words -= one.num_words
    return kept


def written(found: Sequence[Statement], numbers: dict[int, int]) -> str:
    """Writes the answer: what is of one passage has its marker at its end.

    Args:
        found: the statements in their order.
        numbers: the number of each passage by its chunk id; statements of others are left out.
    """
    text = ""
    shown = [one for one in found if one.hit.chunk_id in numbers]
    for chunk_id, run in groupby(shown, key=lambda one: one.hit.chunk_id):
        for one in run:
            gap = "\n" if text and one.is_line else " " if text else ""
            text += gap + one.text
        text += f" [{numbers[chunk_id]}]"
    return text


def passes(candidate: Candidate, threshold: float) -> bool:
    """Says whether a candidate is good enough to be quoted."""
    return candidate.relevance >= float(logit(np.asarray([threshold], np.float64))[0])
