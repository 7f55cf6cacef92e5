"""What the steps of reading a PDF hand to each other; all lengths are in points."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """Letters on one base line without a gap between them; `base` grows upwards."""

    text: str
    left: float
    right: float
    base: float
    size: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a page: most of its letters have this size, and it stands at this height.

    `cells` are the texts of a row of a table, empty in a line of prose. `stands_alone` says that it
    belongs to no paragraph.
    """

    text: str
    page: int
    size: float
    height: float
    left: float = 0.0
    right: float = 0.0
    cells: tuple[str, ...] = ()
    stands_alone: bool = False
