"""Says how far a passage went that should have answered, and at which step it was lost.

found? -> reranked -> its sentences compared? -> can they answer? -> judged -> fits best? -> given
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphs.findings import Findings, QuotedPart, Scored
from graphs.observing.record import RequestRecord
from graphs.observing.wording import quoted, ranks

_SENTENCE_STAGES = ("focus", "meaning")


def fate_of(record: RequestRecord, expected: str) -> str:
    """Says how far the passages went that were expected to answer.

    Args:
        record: of the request.
        expected: a file name, or words that stand in the passage. Words are looked for as whole
            words, so that "7:00" is not found in "17:00".
    """
    found = record.findings
    hits = [
        (place, hit) for search in found.searches for place, hit in enumerate(search.hits, start=1)
    ]
    is_file = any(hit.filename == expected for _, hit in hits)
    if hits and not is_file and not any(hit.text for _, hit in hits):
        return "no texts are kept (`observing.recent_texts`), so only a file name can be looked for"
    has_words = _has_words(expected)
    places = [
        (place, hit)
        for place, hit in hits
        if (hit.filename == expected if is_file else has_words(hit.text))
    ]
    num_hits = max((len(search.hits) for search in found.searches), default=0)
    if not places:
        return f"search: {expected!r} is not among the {num_hits} passages that were found"
    place, hit = min(places, key=lambda one: one[0])
    looked_for = _LookedFor(
        ids=frozenset(hit.chunk_id for _, hit in places),
        is_in=(lambda _: True) if is_file else has_words,
    )
    head = f"search: {expected!r} is in place {place} of {num_hits} ({ranks(hit)})"
    return "; ".join((head, *_later(found, looked_for)))


@dataclass(frozen=True, kw_only=True)
class _LookedFor:
    """The expected passages, and what tells whether a sentence of them is meant."""

    ids: frozenset[int]
    is_in: Callable[[str], bool]

    def of(self, scored: tuple[Scored, ...]) -> list[tuple[int, Scored]]:
        """Gives what is of the passages, with its place."""
        return [(n, one) for n, one in enumerate(scored, start=1) if one.chunk_id in self.ids]

    def meant(self, scored: tuple[Scored, ...]) -> list[tuple[int, Scored]]:
        """Gives the meant sentences, with their places."""
        return [(place, one) for place, one in self.of(scored) if self.is_in(one.text)]


def _has_words(expected: str) -> Callable[[str], bool]:
    words = r"\s+".join(map(re.escape, expected.split()))
    pattern = re.compile(rf"(?<!\w)(?<!\d[.,:]){words}(?!\w|[.,:]\d)", re.IGNORECASE)
    return lambda text: pattern.search(text) is not None


def _later(found: Findings, looked_for: _LookedFor) -> Iterator[str]:
    reranked = [one for one in found.rankings if one.stage == "rerank"]
    for ranking in reranked:
        if placed := looked_for.of(ranking.scored):
            place, one = placed[0]
            of = quoted(ranking.question) if len(reranked) > 1 else ""
            yield f"rerank{of}: place {place} of {len(ranking.scored)} with {one.score:.3f}"
    for part in found.parts:
        of = quoted(part.question) if len(found.parts) > 1 else ""
        yield f"quote{of}: {_quote_fate(part, found, looked_for)}"
    if looked_for.ids & set(found.given):
        yield "given to the generator"
    else:
        yield f"not given to the generator{_why_not_given(found, looked_for)}"


def _quote_fate(part: QuotedPart, found: Findings, looked_for: _LookedFor) -> str:
    if part.chosen_id in looked_for.ids and looked_for.is_in(part.chosen):
        return f"its sentence{quoted(part.chosen)} was quoted"
    if meant := looked_for.meant(part.units):
        place, unit = meant[0]
        said = f"its sentence{quoted(unit.text)} has {unit.score:.3f}"
        return f"{said}; not quoted, {_why_not_quoted(part, place, unit, found.threshold or 0.0)}"
    compared = tuple(
        one
        for ranking in found.rankings
        if ranking.stage in _SENTENCE_STAGES and ranking.question == part.question
        for one in ranking.scored
    )
    if meant := looked_for.meant(compared):
        return (
            f"its sentence{quoted(meant[0][1].text)} cannot answer this: it lacks what is asked "
            "for by name, number, year or day, or tells only where something is told"
        )
    num_passages = len({one.chunk_id for one in compared})
    if not looked_for.of(compared):
        return f"its sentences were not compared, those of {num_passages} other passages were"
    return (
        "none of the sentences that were compared has these words; "
        f"{_quote_fate(part, found, _LookedFor(ids=looked_for.ids, is_in=lambda _: True))}"
    )


def _why_not_quoted(part: QuotedPart, place: int, unit: Scored, threshold: float) -> str:
    best = part.units[0]
    if unit.score == 0.0:  # never the judge's own, which is a sigmoid
        num_judged = sum(one.score > 0.0 for one in part.units)
        return f"since only the {num_judged} that fit best are put before the judge"
    if part.chosen:
        told = quoted(part.chosen) or " another one"
        return f"since another edition says{told}" if place == 1 else f"since{told} fits better"
    if place == 1:
        return f"below the threshold {threshold:.3f}"
    return (
        f"since{quoted(best.text) or ' another one'} fits better, and has {best.score:.3f}, "
        f"below the threshold {threshold:.3f}"
    )


def _why_not_given(found: Findings, looked_for: _LookedFor) -> str:
    if found.parts:
        return ""  # what is not quoted is not given
    placed = [looked_for.of(one.scored) for one in found.rankings]
    scores = [one.score for of_ranking in placed for _, one in of_ranking[:1]]
    threshold = found.threshold or 0.0
    if scores and scores[-1] < threshold:
        return f", since {scores[-1]:.3f} is below the threshold {threshold:.3f}"
    return f", since {len(found.given)} others go before it" if found.given else ""
