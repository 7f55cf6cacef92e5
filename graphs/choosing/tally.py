"""How the answers of one version of a generator went: counts, times, and what surely differs."""

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from graphs.choosing.groundedness import groundedness
from graphs.errors import GraphError
from graphs.pipeline.events import (
    ChatRequest,
    Citation,
    Event,
    Finished,
    Passage,
    Retrieved,
    TextDelta,
)
from index.errors import CorpusError
from models.errors import ModelError

_WINDOW = 500  # answers of a version that count, the newest
FEWEST = 5  # before failures and flags are judged; the bounds allow for so few
_Z = 2.576  # 99 %: it is judged after every answer, and chance has as many tries
_OURS = (GraphError, CorpusError, ModelError)


@dataclass(kw_only=True, eq=False)
class Answered:
    """How one answer went, as the pipeline told it.

    Attributes:
        began: when, by the clock of the tally.
        is_own: whether the version wrote it: not another generator, and not nobody.
        seconds: until its end.
        num_chars: of its text.
        failed: whether an error ended it that is not the question's.
        flagged: whether the safety filter ended it.
        had_passages: whether it was written from passages.
        cited: whether it cites one of them.
        request: what it answers; None: whether it is grounded is not told.
        grounded: the share of its words that its passages have (graphs/choosing/groundedness.py),
            0..1, once it has ended; None: not told.
        passages: that it is written from, until it has ended.
        texts: its pieces, as long.
        writer: the deployment that writes it, where there are several; empty: not known.
        model: the digest of what writes it; empty: not known.
    """

    began: float
    is_own: bool = True
    seconds: float = 0.0
    num_chars: int = 0
    failed: bool = False
    flagged: bool = False
    had_passages: bool = False
    cited: bool = False
    writer: str = ""
    model: str = ""
    request: ChatRequest | None = None
    grounded: float | None = None
    passages: tuple[Passage, ...] = ()
    texts: list[str] = field(default_factory=list)

    def see(self, event: Event) -> None:
        """Takes note of a part of the answer."""
        if isinstance(event, TextDelta):
            self.num_chars += len(event.text)
            self.texts.append(event.text)
        elif isinstance(event, Citation):
            self.cited = True
        elif isinstance(event, Retrieved):
            self.had_passages, self.is_own = bool(event.passages), bool(event.identity)
            self.writer, self.passages = event.writer, event.passages
        elif isinstance(event, Finished):
            self.flagged = event.finish_reason == "content_filter"

    def ended(self, seconds: float) -> "Answered":
        """Gives what is kept of it, which is no text."""
        grounded = None
        if self.request is not None and not (self.failed or self.flagged):
            grounded = groundedness("".join(self.texts), self.passages, self.request)
        return replace(
            self, seconds=seconds, grounded=grounded, request=None, passages=(), texts=[]
        )


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a tally comes to; shares are 0 to 1, None where there is nothing to share.

    `grounded` is the mean of the `num_grounded` answers of which it was told.
    """

    answers: int
    failed: float | None
    flagged: float | None
    cited: float | None
    grounded: float | None
    num_grounded: int
    median_s: float | None
    mean_chars: float | None


class Tally:
    """The last answers of one version, and those that are on their way.

    Those of its present model count, as soon as they are `FEWEST`: what another one wrote before it
    under the same name tells nothing of it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._model, self._since = "", -math.inf
        self._ended: deque[Answered] = deque(maxlen=_WINDOW)
        self._running: set[Answered] = set()

    @contextmanager
    def watched(self) -> Iterator[Answered]:
        """Takes an answer into the tally when it ends; what the client leaves is not judged.

        Nor what its question is wrong in: too long a prompt, sent again and again, tells nothing.
        """
        answer = Answered(began=self._clock())
        self._running.add(answer)
        try:
            yield answer
        except Exception as err:
            if not isinstance(err, _OURS) or not isinstance(err, ValueError | LookupError):
                answer.failed = True
                self._take(answer)
            raise
        else:
            self._take(answer)
        finally:
            self._running.remove(answer)

    def note(self, answer: Answered, model: str) -> None:
        """Takes note of what writes an answer; the present model is that of the latest."""
        answer.model = model
        if answer.began >= self._since:
            self._model, self._since = model, answer.began

    def _is_present(self, answer: Answered) -> bool:
        return answer.is_own and answer.model in {"", self._model}

    def _present(self) -> list[Answered]:
        present = [one for one in self._ended if self._is_present(one)]
        return present if len(present) >= FEWEST else list(self._ended)

    def _take(self, answer: Answered) -> None:
        if answer.is_own:
            self._ended.append(answer.ended(self._clock() - answer.began))

    def seconds(self, above: float = math.inf) -> list[float]:
        """Of the answers that came; one on its way counts once it has taken longer than this."""
        now = self._clock()
        ages = [now - one.began for one in self._running if self._is_present(one)]
        ended = [one.seconds for one in self._present() if not one.failed]
        return ended + [age for age in ages if age > above]

    def counts(self, name: str) -> tuple[int, int]:
        """Answers that failed or were flagged, and all of them."""
        present = self._present()
        return sum(getattr(one, name) for one in present), len(present)

    def ungrounded(self) -> tuple[float, int]:
        """The sum of what answers lack in groundedness, and of how many answers it is told."""
        lacking = [1 - one.grounded for one in self._present() if one.grounded is not None]
        return sum(lacking), len(lacking)

    def figures(self) -> Figures:
        """What the answers come to."""
        ended, seconds, lacking = self._present(), self.seconds(), self.ungrounded()
        from_passages = [one.cited for one in ended if one.had_passages and not one.failed]
        chars = [one.num_chars for one in ended if not one.failed]
        return Figures(
            answers=len(ended),
            failed=share_of(self.counts("failed")),
            flagged=share_of(self.counts("flagged")),
            cited=share_of((sum(from_passages), len(from_passages))),
            grounded=1 - lacking[0] / lacking[1] if lacking[1] else None,
            num_grounded=lacking[1],
            median_s=statistics.median(seconds) if seconds else None,
            mean_chars=statistics.fmean(chars) if chars else None,
        )


def share_of(counts: tuple[float, int]) -> float | None:
    """A share of 0 to 1; None of nothing."""
    part, whole = counts
    return part / whole if whole else None


def bounds(part: float, whole: int) -> tuple[float, float]:
    """Between which a share surely lies: Wilson's interval (1927), 99 %; nothing of nothing.

    It holds for a mean of numbers in 0..1 as well, of which `part` is the sum: none of the same
    mean vary as much as those that are 0 or 1.
    """
    if whole == 0:
        return 0.0, 0.0
    share, square = part / whole, _Z**2 / whole
    spread = _Z * math.sqrt(share * (1 - share) / whole + square / (4 * whole))
    middle = share + square / 2
    return (middle - spread) / (1 + square), (middle + spread) / (1 + square)


def sure_rise(before: tuple[float, int], now: tuple[float, int]) -> float:
    """By how much a share surely rose: the lower end of Newcombe's interval (1998), 99 %."""
    was, is_now = share_of(before) or 0.0, share_of(now) or 0.0
    return is_now - was - math.hypot(is_now - bounds(*now)[0], bounds(*before)[1] - was)
