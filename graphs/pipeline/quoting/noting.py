"""What of the choice of a quote is noted, for who asks later why an answer was what it was."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from graphs.findings import TEXT_CHARS, Scored
from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.quoting import Candidate
from graphs.pipeline.quoting.units import Unit
from graphs.pipeline.trace import Trace
from models.scores import sigmoid


def note_compared(
    stage: Literal["focus", "meaning"],
    part: Part,
    units: Sequence[Unit],
    scores: npt.NDArray[np.float64],
    trace: Trace,
) -> None:
    """Notes every sentence that a model compared with a part of the question, best first.

    Args:
        stage: which model.
        part: what is asked.
        units: the sentences.
        scores: of that model, float64, (n_units,).
        trace: of the request.
    """
    order = np.argsort(-scores, kind="stable").tolist()
    compared = [_scored(units[index], float(scores[index])) for index in order]
    trace.findings.note_ranking(stage, part.text, compared)


def note_quoted(
    part: Part, found: Sequence[Candidate], quoted: Candidate | None, trace: Trace
) -> None:
    """Notes what could have been quoted, what fits best first, and what was."""
    fitting = sorted(found, key=lambda one: -one.value)
    logits = np.asarray([one.relevance for one in fitting], dtype=np.float64)
    units = [
        _scored(one.unit, score)
        for one, score in zip(fitting, sigmoid(logits).tolist(), strict=True)
    ]
    chosen = quoted.unit if quoted else None
    trace.findings.note_part(
        part.text, units, chosen.text if chosen else "", chosen.hit.chunk_id if chosen else None
    )


def _scored(unit: Unit, score: float) -> Scored:
    return Scored(chunk_id=unit.hit.chunk_id, score=score, text=unit.text[:TEXT_CHARS])
