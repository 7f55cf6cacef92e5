"""Says why an answer was what it was, in the order in which a request goes through the pipeline.

    flagged? -> found? -> reranked high enough? -> judged to answer? -> given -> written

The first step that the expected passage does not survive is the cause of a miss.
"""

from collections.abc import Iterator

from graphs.findings import Findings, FoundHit, QuotedPart, Search
from graphs.observing.record import RequestRecord
from graphs.observing.wording import quoted, ranks, short
from graphs.pipeline.trace import ENDS

_NUM_SHOWN = 5


def cause(record: RequestRecord) -> str:
    """Says in one sentence why the request ended as it did."""
    found = record.findings
    if record.outcome not in ENDS:
        where = next((f" in stage {one.stage}" for one in record.spans if one.error), "")
        return f"the error {record.outcome}{where} ended it"
    if record.outcome == "refused":
        flagged = [one for one in found.flagged if one.what != "history"]
        what = "; ".join(f"the {one.what} as {', '.join(one.categories)}" for one in flagged)
        return f"the safety filter flagged {what or 'it'}"
    if record.outcome == "cancelled":
        return "the client left before the end"
    return _why_declined(record) if record.outcome == "declined" else _why_answered(found)


def _why_declined(record: RequestRecord) -> str:
    if not any(search.hits for search in record.findings.searches):
        return "the search found no passage: an empty store, or filters that nothing passes"
    found, threshold = record.findings, record.findings.threshold or 0.0
    for part in found.parts:
        if not part.chosen:
            return _why_not_quoted(part, threshold)
    if "rerank" in record.degraded or found.best_score is None:
        return "the reranker was not asked or did not answer, and no passage is near enough alone"
    if found.best_score < threshold:
        best_score = f"{found.best_score:.3f}"
        return f"the best passage has relevance {best_score}, below the threshold {threshold:.3f}"
    return "passages were found, but none fits into the context of the generator"


def _why_answered(found: Findings) -> str:
    hits = {hit.chunk_id: hit for search in found.searches for hit in search.hits}
    given = [hits[one] for one in found.given if one in hits]
    if not found.searches:
        return "nothing was searched: small talk, or the bare generator was asked"
    if not given:
        return "it was answered without passages"
    told = "it was answered from " + "; ".join(_described(hit) for hit in given)
    lacking = [part for part in found.parts if not part.chosen]
    return "".join(
        (
            told,
            *(
                f"; nothing was quoted for the part{quoted(part.question)}: "
                f"{_why_not_quoted(part, found.threshold or 0.0)}"
                for part in lacking
            ),
        )
    )


def _why_not_quoted(part: QuotedPart, threshold: float) -> str:
    if not part.units:
        return f"no sentence of the best passages can answer{quoted(part.question)}"
    best = part.units[0]
    return (
        f"the best sentence{quoted(best.text)} answers with {best.score:.3f}, "
        f"below the threshold {threshold:.3f}"
    )


def lines(record: RequestRecord) -> Iterator[str]:
    """Tells the whole way, a line a step."""
    found = record.findings
    yield f"outcome      {record.outcome} after {record.latency_ms:.0f} ms"
    yield f"stages       {', '.join(f'{s.stage} {s.latency_ms:.0f}' for s in record.spans)} (ms)"
    if record.degraded:
        yield f"left out     {', '.join(record.degraded)}"
    for one in found.flagged:
        yield f"flagged      {one.what}: {', '.join(one.categories)}"
    for search in found.searches:
        yield from _search_lines(search)
    for ranking in found.rankings:
        best = ", ".join(f"{one.chunk_id}: {one.score:.3f}" for one in ranking.scored[:_NUM_SHOWN])
        yield f"{ranking.stage:<12} {ranking.question} -> {best}"
    for part in found.parts:
        yield from _part_lines(part)
    if found.threshold is not None:
        yield f"threshold    {found.threshold:.3f}"
    yield from _generator_lines(record)


def _search_lines(search: Search) -> Iterator[str]:
    yield f"search       {' | '.join(search.queries)}"
    for hit in search.hits[:_NUM_SHOWN]:
        yield f"  hit        {_described(hit)}"
    if len(search.hits) > _NUM_SHOWN:
        yield f"  ...        and {len(search.hits) - _NUM_SHOWN} more"


def _part_lines(part: QuotedPart) -> Iterator[str]:
    yield f"quote for    {part.question}"
    for unit in part.units[:_NUM_SHOWN]:
        yield f"  sentence   {unit.score:.3f} of {unit.chunk_id} {short(unit.text)}"
    yield f"  quoted     {short(part.chosen) or 'nothing'}"


def _generator_lines(record: RequestRecord) -> Iterator[str]:
    if record.findings.num_prompt_room is not None:
        yield f"prompt       room for {record.findings.num_prompt_room} tokens of passages"
    for cost in record.generated:
        told = f"{cost.num_prompt_tokens} tokens read, {cost.num_completion_tokens} written"
        yield f"{cost.stage:<12} {told}, moved {cost.num_migrations} times"
    for attempt in record.findings.attempts:
        after = f", since the one before ended with {attempt.reason}" if attempt.reason else ""
        yield f"replica      {attempt.replica} from token {attempt.position}{after}"


def _described(hit: FoundHit) -> str:
    return f"{hit.filename} (passage {hit.chunk_id}; {ranks(hit)})"
