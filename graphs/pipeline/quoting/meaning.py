"""What answers a question in another language: chosen by vectors, since the judges know English.

A multilingual embedder puts a question near its answer in whatever language each is, but gives
everything about the same thing about the same cosine. So an answer has to stand out as well.
"""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from graphs.config import RetrievalSettings
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.pipeline.quoting.fitting import is_possible
from graphs.pipeline.quoting.language import is_foreign, tells_foreign
from graphs.pipeline.quoting.noting import note_compared
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.quoting import Candidate
from graphs.pipeline.quoting.units import Unit, units_of
from graphs.pipeline.quoting.words import file_words
from graphs.pipeline.stages import EmbedStage
from graphs.pipeline.trace import Trace
from graphs.settings import DeadlineSettings
from index.identifiers import identifiers
from index.searching.request import Hit, Mode

logger = logging.getLogger(__name__)

_MAX_UNITS = 24  # embedded for each part of a question: the bundled model takes 0.07 s for each
_MAX_OWN = 18  # of them that may answer; the rest is what they have to stand out from
# Chosen for multilingual-e5-small on 39 questions, 16 of them near misses: on the exam's
# development half, and others about its documents.
_STANDS_OUT = 0.0175  # by how much the best has to be nearer than the fourth: two may say the same
_FOURTH = 3  # of fewer units none stands out
_LOGITS = 100.0  # that a cosine more is worth


class Meaning:
    """Scores units by how near they are to a question in another language."""

    def __init__(self, deadline: DeadlineSettings, embedder: EmbedStage) -> None:
        self._deadline = deadline
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

        There are none where the embedder does not answer, or there is no time to ask it.

        Args:
            part: what is asked.
            hits: best first; whose units are compared.
            cosine: from which on one answers, if it stands out.
            trace: of the request.
            of: those of the hits whose units are given.
        """
        own = [unit for hit in of for unit in units_of(hit)]
        others = [unit for hit in hits if hit not in of for unit in units_of(hit)]
        units = [*own[:_MAX_OWN], *others, *own[_MAX_OWN:]][:_MAX_UNITS]
        if not (own and trace.allows("meaning", self._deadline.rerank_s)):
            return []
        near = await self._near(f"{part.context} {part.timeless}".strip(), units, trace)
        if near is None:
            return []
        note_compared("meaning", part, units, near, trace)
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

    async def _near(
        self, question: str, units: Sequence[Unit], trace: Trace
    ) -> npt.NDArray[np.float64] | None:
        """Gives the cosine of each unit, float64, (n_units,); None when they cannot be compared."""
        try:
            with trace.stage("meaning"):
                asked = await self._embedder.embed([question], kind="query")
                told = await self._embedder.embed([_text(unit) for unit in units])
        except (StageUnavailableError, OverloadedError) as err:
            logger.warning("meaning left out, request %s: %s", trace.request_id, err)
            trace.degrade("meaning")
            return None
        if asked.fingerprint != told.fingerprint:  # two replicas, while the model is exchanged
            trace.degrade("meaning")
            return None
        return np.asarray(told.vectors @ asked.vectors[0], dtype=np.float64)


def search_mode(text: str, settings: RetrievalSettings) -> Mode:
    """Gives how is searched: words of another language only find what is written in it."""
    is_dense = settings.mode == "hybrid" and is_by_meaning(text, settings)
    return "dense" if is_dense else settings.mode


def is_by_meaning(text: str, settings: RetrievalSettings) -> bool:
    """Says whether only the meaning of a question is compared with passages, not its words.

    Identifiers are the same in all languages.
    """
    return settings.foreign_cosine is not None and is_foreign(text) and not identifiers(text)


def is_abroad(hit: Hit) -> bool:
    """Says whether a passage is of another language than English; its neighbours, if it is mute."""
    own = tells_foreign(hit.text)
    if own is not None:
        return own
    near = [tells_foreign(text) for text in (hit.title, *(one.text for one in hit.around))]
    return near.count(True) > near.count(False)


def _text(unit: Unit) -> str:
    titles = unit.path if len(unit.path) > 1 else (file_words(unit.hit.filename), *unit.path)
    return f"{' > '.join(titles)}\n{unit.whole}"
