"""Whether an answer says what its passages say, by its words: no model is asked.

    answer    "The pump of the X2 runs at 3000 turns. [1]"     chat   "How fast is the X2?"
    telling   pump, run, 3000, turn          what the chat has, too, tells nothing
    passages  have pump, run, turn                             0.75

That is K-Precision (Adlakha et al. 2023, arXiv 2307.16877) of the words that are no function words,
each counted once and by its stem. An answer in other words than its passages, or in another
language, loses with it as one that makes things up, so it compares generators that are asked alike
and judges no single answer. `python -m benchmarks.evaluate` asks the reranker about each sentence.
"""

from collections.abc import Sequence

from graphs.pipeline.events import ChatRequest, Passage
from graphs.pipeline.markers import without_markers
from graphs.pipeline.prompt import NO_ANSWER
from graphs.pipeline.quoting.words import all_stems, content_stems

_LAST_CHARS = 20_000  # of a chat, whose words tell nothing: some milliseconds of the event loop


def rests_on_passages(request: ChatRequest) -> bool:
    """Whether passages are all that an answer may be from, and it is text: no form and no tool."""
    return request.retrieves and not (request.constraint or request.tools or request.exchange)


def groundedness(answer: str, passages: Sequence[Passage], request: ChatRequest) -> float | None:
    """Gives the share of an answer's telling words that its passages have, 0..1.

    Args:
        answer: with its markers.
        passages: that it was written from.
        request: what it answers.

    Returns:
        The share; None where nothing is to be told: no passages, a form, tools, an answer that
        declines or has none of such words.
    """
    text = without_markers(answer).strip()
    if not rests_on_passages(request) or not passages or text == NO_ANSWER:
        return None
    asked = all_stems("\n".join(one.text for one in request.messages)[-_LAST_CHARS:])
    telling = [stem for stem in content_stems(text) if stem not in asked]
    if not telling:
        return None
    read = all_stems("\n".join(f"{one.title}\n{one.excerpt}" for one in passages))
    return sum(stem in read for stem in telling) / len(telling)
