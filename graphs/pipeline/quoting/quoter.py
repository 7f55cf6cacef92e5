"""From the passages that were found for each part of a question to what is quoted of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphs.config import RetrievalSettings
from graphs.pipeline.quoting.language import is_foreign
from graphs.pipeline.quoting.meaning import Meaning, is_abroad
from graphs.pipeline.quoting.noting import note_compared, note_quoted
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.quoting import (
    REPEATED,
    SAME_FILE,
    SAME_ROW,
    SAME_THING,
    Candidate,
    Statement,
    judged,
    limited,
    newest,
    passes,
    statements,
    weigh,
    written,
)
from graphs.pipeline.quoting.row_text import cells_of, row_text
from graphs.pipeline.quoting.units import Unit, units_of
from graphs.pipeline.quoting.versions import named_numbers, tells_version
from graphs.pipeline.quoting.words import all_stems, content_stems, file_words
from graphs.pipeline.relevance import Relevance, ScoredHit
from graphs.pipeline.trace import Trace
from graphs.together import together
from index.rows import num_key_cells
from index.searching.request import Hit
from models.scores import logit, sigmoid

_PASSAGES = 5  # whose units are scored for a question of one part
_PASSAGES_A_PART = 3
_MAX_UNITS = 24  # of one part
_MAX_JUDGED = 6  # of them


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What answers a question, word for word.

    Attributes:
        statements: in the order of the answer; none: nothing answers.
    """

    statements: tuple[Statement, ...]

    def passages(self) -> list[ScoredHit]:
        """Gives each quoted passage once, with what is quoted of it, in the order of the answer."""
        quoted: dict[int, list[Statement]] = {}
        for one in self.statements:
            quoted.setdefault(one.hit.chunk_id, []).append(one)
        return [
            ScoredHit(
                hit=of[0].hit,
                score=float(sigmoid(np.asarray([max(one.relevance for one in of)]))[0]),
                excerpt="\n".join(one.text for one in of),
                is_reranked=True,
            )
            for of in quoted.values()
        ]

    def answer(self, numbers: dict[int, int]) -> str:
        """Writes it; see `quoting.written`."""
        return written(self.statements, numbers)


class Quoter:
    """Chooses what is quoted."""

    def __init__(self, relevance: Relevance, meaning: Meaning) -> None:
        self._relevance = relevance
        self._meaning = meaning

    async def quote(
        self,
        asked: Sequence[tuple[Part, Sequence[Hit]]],
        settings: RetrievalSettings,
        trace: Trace,
        *,
        said: str = "",
    ) -> Quote | None:
        """Gives the quote; None where no reranker answers.

        Args:
            asked: the parts of the question, each with what was found for it.
            settings: of the request.
            trace: of the request.
            said: the answer that the question leans on.
        """
        num_passages = _PASSAGES if len(asked) == 1 else _PASSAGES_A_PART
        async with together() as group:
            tasks = [
                group.create_task(self._candidates(part, hits, num_passages, settings, trace))
                for part, hits in asked
            ]
        found = [task.result() for task in tasks]
        if any(candidates is None for candidates in found):
            return None
        chosen: list[tuple[Part, Candidate, str]] = []
        for (part, _), candidates in zip(asked, found, strict=True):
            file = _file_of(part, candidates or [], chosen, said)
            found_again = _gone_on(part, candidates or [], file, said)
            found_again = _told_once(found_again, [one.unit for _, one, _ in chosen])
            best = _best(found_again, settings.rerank_threshold)
            quoted = newest(part, best, candidates or []) if best is not None else None
            note_quoted(part, found_again, quoted[0] if quoted else None, trace)
            if quoted is not None:
                chosen.append((part, *quoted))
        told = [one for part, best, label in chosen for one in statements(part, best, label)]
        return Quote(statements=tuple(limited(told, max_passages=settings.top_k)))

    async def _candidates(
        self,
        part: Part,
        hits: Sequence[Hit],
        num_passages: int,
        settings: RetrievalSettings,
        trace: Trace,
    ) -> list[Candidate] | None:
        """Gives the units of the best passages, best first; None without reranker.

        Where question or passages are of another language, only their meaning is compared, unless
        an English passage answers.
        """
        cosine = settings.foreign_cosine
        if cosine is None:
            return await self._by_judge(part, hits, num_passages, settings, trace)
        if is_foreign(part.text):
            return await self._meaning.candidates(part, hits, cosine, trace, of=hits)
        abroad = [hit for hit in hits if is_abroad(hit)]
        english = [hit for hit in hits if hit not in abroad]
        found = await self._by_judge(part, english, num_passages, settings, trace)
        if not abroad or found is None or _best(found, settings.rerank_threshold):
            return found
        return await self._meaning.candidates(part, hits, cosine, trace, of=abroad) or found

    async def _by_judge(
        self,
        part: Part,
        hits: Sequence[Hit],
        num_passages: int,
        settings: RetrievalSettings,
        trace: Trace,
    ) -> list[Candidate] | None:
        """Gives the units of the best passages, best first; None without reranker."""
        if not hits:
            return []
        ranked = await self._relevance.by_passage(part.timeless, hits, settings, trace)
        if not ranked[0].is_reranked:
            return None
        cut = [
            (scored.score, unit)
            for scored in ranked[:num_passages]
            for unit in units_of(scored.hit)
        ][:_MAX_UNITS]
        if not cut:
            return []
        units = [unit for _, unit in cut]
        texts = [_text(part, one) for one in units]
        own = await self._relevance.scores(part.timeless, texts, trace)
        if own is None:
            return None
        note_compared("focus", part, units, own, trace)
        whole = logit(np.asarray([score for score, _ in cut], dtype=np.float64))
        return await self._judged(part, weigh(part, units, whole, logit(own)), trace)

    async def _judged(
        self, part: Part, candidates: Sequence[Candidate], trace: Trace
    ) -> list[Candidate] | None:
        """Lets the judge look at the best; None where it does not answer."""
        if part.side:
            side = set(content_stems(part.side))
            candidates = [one for one in candidates if side & all_stems(one.unit.about)]
        if not candidates:
            return []
        texts = [_text(part, one.unit) for one in candidates[:_MAX_JUDGED]]
        scores = await self._relevance.judged(part.timeless, texts, trace)
        return None if scores is None else judged(candidates, logit(scores))


def _text(part: Part, unit: Unit) -> str:
    """What the models read of a unit: its titles, and the lead-in or question before it.

    "When was 3.1 released?" is answered by a heading: "3.1 (3 February 2025)".
    """
    *above, heading = unit.path or ("",)
    asks_when = part.sort in ("time", "year")
    if (
        asks_when
        and tells_version(heading)
        and any(number in heading for number in named_numbers(part.text))
    ):
        return f"{' > '.join(above)}\nversion {heading}"
    asked = unit.before if unit.before.endswith("?") else ""
    told = " ".join(filter(None, (unit.lead_in or asked, row_text(part, unit))))
    titles = unit.path if len(unit.path) > 1 else (file_words(unit.hit.filename), *unit.path)
    return f"{' > '.join(titles)}\n{told}"


def _file_of(
    part: Part,
    candidates: Sequence[Candidate],
    before: Sequence[tuple[Part, Candidate, str]],
    said: str,
) -> str:
    """Names the file that a part goes on with: of the part before, or of the answer before."""
    if before:
        return before[0][1].unit.hit.file_id if part.goes_on else ""
    units = (one.unit for one in candidates if said)
    return next((unit.hit.file_id for unit in units if _was_said(unit, said)), "")


def _was_said(unit: Unit, said: str) -> bool:
    """Says whether a unit was the answer before; a row is known by its key."""
    cells = [value for _, value in cells_of(unit)]
    keys = cells[: num_key_cells(cells)]
    return unit.text in said or (bool(keys) and all(key in said for key in keys))


def _gone_on(part: Part, candidates: Sequence[Candidate], file: str, said: str) -> list[Candidate]:
    """Gives the candidates with what speaks for those that go on with what was told before.

    Args:
        part: what is asked.
        candidates: what could answer.
        file: id of the file that the part goes on with; empty: none.
        said: the answer that the question leans on.
    """
    gain = SAME_THING if part.goes_on and not part.context else SAME_FILE
    same_row = 0.0 if _asks_for_another_row(part, candidates, said) else SAME_ROW
    return [
        replace(
            one,
            value=one.value
            + gain * (bool(file) and one.unit.hit.file_id == file)
            + same_row * (one.unit.kind == "row" and _was_said(one.unit, said)),
        )
        for one in candidates
    ]


def _told_once(candidates: Sequence[Candidate], told: Sequence[Unit]) -> list[Candidate]:
    """Gives the candidates with what speaks against a sentence that another part is told by."""
    texts = {unit.text for unit in told if unit.kind != "row"}
    return [
        replace(one, value=one.value - REPEATED * (one.unit.text in texts)) for one in candidates
    ]


def _asks_for_another_row(part: Part, candidates: Sequence[Candidate], said: str) -> bool:
    """Says whether a question holds what another row of the table has that the answer was of."""
    rows = [one.unit for one in candidates if one.unit.kind == "row"]
    told = [row for row in rows if said and _was_said(row, said)]
    tables = {(row.hit.file_id, row.columns) for row in told}
    others = [row for row in rows if row not in told and (row.hit.file_id, row.columns) in tables]
    return not (_values(others) - _values(told)).isdisjoint(part.stems)


def _values(rows: Sequence[Unit]) -> frozenset[str]:
    return all_stems(" ".join(value for row in rows for _, value in cells_of(row)))


def _best(candidates: Sequence[Candidate], threshold: float) -> Candidate | None:
    """Gives the unit that answers a part; None when none is good enough.

    Args:
        candidates: what could answer.
        threshold: of relevance, 0..1.
    """
    best = max(candidates, key=lambda one: one.value, default=None)
    return best if best is not None and passes(best, threshold) else None
