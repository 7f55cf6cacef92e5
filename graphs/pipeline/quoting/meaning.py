"""What answers a question in another language: chosen by vectors, since the judges know English.

A multilingual embedder puts a question near its answer in whatever language each is, but gives
everything about the same thing about the same cosine. So an answer has to stand out as well.
"""

from collections.abc import Sequence

import numpy as np

from graphs.config import RetrievalSettings
from graphs.pipeline.quoting.fitting import is_possible
from graphs.pipeline.quoting.language import is_foreign
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.quoting import Candidate
from graphs.pipeline.quoting.units import Unit, units_of
from graphs.pipeline.quoting.words import file_words
from graphs.pipeline.stages import EmbedStage
from graphs.pipeline.trace import Trace
from index.identifiers import identifiers
from index.searching.request import Hit, Mode

_MAX_UNITS = 24  # that are embedded for one question: the bundled model takes about 0.07 s for each
# Chosen for multilingual-e5-small on 39 questions, 16 of them near misses: on the exam's
# development half, and others about its documents.
_STANDS_OUT = 0.0175  # by how much the best has to be nearer than the fourth: two may say the same
_FOURTH = 3  # of fewer units none stands out
_LOGITS = 100.0  # that a cosine more is worth


class Meaning:
    """Scores units by how near they are to a question in another language."""

    def __init__(self, embedder: EmbedStage) -> None:
        self._embedder = embedder

    async def candidates(
        self,
        part: Part,
        hits: Sequence[Hit],
        cosine: float,
        trace: Trace,
        *,
        of: Sequence[Hit],
    ) -> list[Candidate]:
        """Gives units, nearest first; one that answers reaches logit 0.

        Args:
            part: what is asked.
            hits: best first; whose units are compared.
            cosine: from which on one answers, if it stands out.
            trace: of the request.
            of: those of the hits whose units are given.

        Raises:
            StageUnavailableError: the embedder does not answer.
        """
        units = [unit for hit in hits for unit in units_of(hit)][:_MAX_UNITS]
        if not units:
            return []
        question = f"{part.context} {part.timeless}".strip()
        with trace.stage("meaning"):
            asked = await self._embedder.embed([question], kind="query")
            told = await self._embedder.embed([_text(unit) for unit in units])
        near = (told.vectors @ asked.vectors[0]).astype(np.float64)
        logits = _LOGITS * (near - cosine)
        if len(near) > _FOURTH:
            ahead = near - np.sort(near)[-1 - _FOURTH]
            logits = np.minimum(logits, _LOGITS * (ahead - _STANDS_OUT))
        found = [
            Candidate(unit=unit, relevance=logit, value=_LOGITS * value)
            for unit, logit, value in zip(units, logits.tolist(), near.tolist(), strict=True)
            if unit.hit in of and is_possible(part, unit)
        ]
        return sorted(found, key=lambda one: -one.value)


def search_mode(text: str, settings: RetrievalSettings) -> Mode:
    """Gives how is searched: words of another language only find what is written in it.

    Identifiers are the same in all of them.
    """
    if settings.foreign_cosine is None or identifiers(text) or not is_foreign(text):
        return settings.mode
    return "dense"


def is_abroad(hit: Hit) -> bool:
    """Says whether a passage, by it and its neighbours, is of another language than English."""
    texts = [one.text for one in hit.around] or [hit.text]
    return is_foreign("\n".join((hit.title, *texts)))


def _text(unit: Unit) -> str:
    titles = unit.path if len(unit.path) > 1 else (file_words(unit.hit.filename), *unit.path)
    return f"{' > '.join(titles)}\n{unit.whole}"
