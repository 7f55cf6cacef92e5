"""The root of all settings, those of work that nobody waits for, and those of what is observed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings are refused where a name is unknown, and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthSettings(Settings):
    """Who may ask.

    Attributes:
        keys: whether every request needs an API key (`python -m graphs.keys create`); without them
            the server listens on this machine alone.
        fresh_s: for how long a Gateway trusts what it knows of a key, in seconds; a key that is
            revoked is obeyed so long at most.
    """

    keys: bool = False
    fresh_s: float = Field(default=3.0, gt=0, le=5)


class ResponseSettings(Settings):
    """How responses and conversations are kept and worked on; times of work are in seconds.

    Attributes:
        kept_days: a response is kept for so long, a conversation for so long after its last use.
        max_running: most background responses that one Gateway works on at once.
        lease_s: after so long without a sign of a Gateway another one goes on with its responses.
        poll_s: how often a Gateway looks for those.
    """

    kept_days: int = Field(default=30, ge=1, le=3650)
    max_running: int = Field(default=4, ge=1, le=1024)
    lease_s: float = Field(default=15.0, gt=0)
    poll_s: float = Field(default=5.0, gt=0)


class BatchSettings(Settings):
    """How batches of requests are worked on; times are in seconds.

    Attributes:
        max_lines: most requests in one batch.
        max_running: most requests of batches that one Gateway works on at once.
        yields_to: while so many requests of others run at the same Gateway, none is begun, and
            those that run are given up and asked again later.
        quiet_s: none is begun so shortly after requests of others: the next may follow.
        longest_yield_s: one that has waited so long is begun nevertheless, and not given up; one
            in so long a time.
        lease_s: after so long without a sign of a Gateway another one goes on with its batches.
        poll_s: how often a Gateway looks for those.
    """

    max_lines: int = Field(default=50_000, ge=1, le=50_000)
    max_running: int = Field(default=2, ge=1, le=1024)
    yields_to: int = Field(default=1, ge=1)
    quiet_s: float = Field(default=0.5, ge=0)
    longest_yield_s: float = Field(default=30.0, gt=0)
    lease_s: float = Field(default=15.0, gt=0)
    poll_s: float = Field(default=5.0, gt=0)


class Prices(Settings):
    """What tokens cost, by the million, in `currency`; 0: nothing is counted.

    Attributes:
        input: tokens that the generator reads.
        output: tokens that it writes.
    """

    input: float = Field(default=0.0, ge=0)
    output: float = Field(default=0.0, ge=0)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")


class ObservingSettings(Settings):
    """What is counted and kept of requests.

    Attributes:
        recent_requests: of so many requests a Gateway keeps how they came to their answers, for
            `python -m graphs.explain`; 0: none.
        recent_texts: whether questions and pieces of passages are kept with them, in memory.
        prices: for the metric `ragfleet_cost`.
    """

    recent_requests: int = Field(default=256, ge=0, le=10_000)
    recent_texts: bool = True
    prices: Prices = Prices()


class CanarySettings(Settings):
    """A second version of the generator beside the first (graphs/canary.py).

    Attributes:
        share: of the questions that the second version gets; 0: none, 1: all.
        sticky: what stays with its version: a `conversation`, or all questions of a `key`.
        shadow: whether its answers are thrown away, and the first version answers everybody.
        max_failed_rise: it is rolled back when its share of failed answers is surely higher than
            that of the first version by more than this.
        max_flagged_rise: the same of answers that the safety filter ended.
        max_slowdown: the same when half of its answers take so many times longer.
        min_answers: of each version before their times are compared.
    """

    share: float = Field(default=0.0, ge=0, le=1)
    sticky: Literal["conversation", "key"] = "conversation"
    shadow: bool = False
    max_failed_rise: float = Field(default=0.02, ge=0, le=1)
    max_flagged_rise: float = Field(default=0.02, ge=0, le=1)
    max_slowdown: float = Field(default=2.0, ge=1)
    min_answers: int = Field(default=10, ge=2, le=500)
