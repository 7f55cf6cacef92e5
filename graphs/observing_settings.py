"""What is counted and kept of requests, of whom, and what they cost."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from graphs.settings import AgreedTenant, Settings

FIRST = "Generator"  # the deployment that writes where no other one is told
WriterName = Literal["Generator", "GeneratorSmall", "GeneratorCanary", "fallback"]


class TokenPrices(Settings):
    """What the tokens of a generator cost, by the million; 0: nothing is counted.

    Attributes:
        input: tokens that it reads.
        output: tokens that it writes.
    """

    input: float = Field(default=0.0, ge=0)
    output: float = Field(default=0.0, ge=0)


class Prices(TokenPrices):
    """What tokens cost, by the million, in `currency`; 0: nothing is counted.

    Attributes:
        currency: in three letters (ISO 4217).
        writers: what those of some generators cost instead, by name: `Generator`, `GeneratorSmall`,
            `GeneratorCanary`, or `fallback`, the one elsewhere.
    """

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    writers: Mapping[WriterName, TokenPrices] = {}

    def of(self, writer: str) -> TokenPrices:
        """Gives the prices of a generator; an empty name is that of the first one."""
        return next((own for name, own in self.writers.items() if name == (writer or FIRST)), self)


class QualityLogSettings(Settings):
    """Which answers are kept with their questions and passages (graphs/observing/quality_log.py).

    Attributes:
        folder: on the machine of each Gateway, or one that all of them share; absolute.
        tenants: those who agreed; `*` stands for all.
        share: of their answers that is kept.
        kept_days: a day is deleted when it is older.
        max_rows: so many answers are written at once.
        flush_s: after so long they are written, however few.
    """

    folder: str = Field(pattern=r"^/.+")
    tenants: tuple[AgreedTenant, ...] = Field(min_length=1)
    share: float = Field(default=1.0, gt=0, le=1)
    kept_days: int = Field(default=30, ge=1, le=3650)
    max_rows: int = Field(default=200, ge=1, le=1000)
    flush_s: float = Field(default=60.0, gt=0, le=3600)


class ObservingSettings(Settings):
    """What is counted and kept of requests.

    Attributes:
        recent_requests: of so many requests a Gateway keeps how they came to their answers, for
            `python -m graphs.explain`; 0: none.
        recent_texts: whether questions and pieces of passages are kept with them, in memory.
        prices: for the metric `ragfleet_cost`.
        quality_log: which answers are kept on disk; None: none.
        span_texts: tenants whose questions, passages and answers stand in spans; `*`: all.
    """

    recent_requests: int = Field(default=256, ge=0, le=10_000)
    recent_texts: bool = True
    prices: Prices = Prices()
    quality_log: QualityLogSettings | None = None
    span_texts: tuple[AgreedTenant, ...] = ()
