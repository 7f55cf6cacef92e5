"""What reading one file may cost."""

from dataclasses import dataclass

from index.errors import InvalidLimitError

_BOUNDS = {
    "memory_mb": (128, 65_536),
    "cpu_s": (1, 3_600),
    "wall_s": (1, 7_200),
    "max_file_mb": (1, 256),
    "max_pages": (1, 100_000),
    "max_characters": (1_000, 100_000_000),
    "max_blocks": (100, 10_000_000),
    "max_entries": (10, 1_000_000),
    "max_unpacked_mb": (1, 16_384),
    "max_ratio": (10, 10_000),
}


@dataclass(frozen=True, kw_only=True)
class ParseLimits:
    """Limits of one file; whatever exceeds one is refused with a FileLimitError that names it.

    Attributes:
        memory_mb: address space of the process that reads it.
        cpu_s: its CPU time.
        wall_s: its time by the clock, from the first byte sent to the last received.
        max_file_mb: size as uploaded.
        max_pages: pages of a PDF, slides of a presentation, sheets of a workbook.
        max_characters: length of the plain text; the Bible has 4 million.
        max_blocks: paragraphs, list items, table rows and listings.
        max_entries: members of an archive (.docx, .pptx and .xlsx are such).
        max_unpacked_mb: size of all members together.
        max_ratio: unpacked to packed size of a member larger than 1 MB.

    Raises:
        InvalidLimitError: a limit is out of its bounds.
    """

    memory_mb: int = 512
    cpu_s: int = 60
    wall_s: int = 120
    max_file_mb: int = 128
    max_pages: int = 2_000
    max_characters: int = 10_000_000
    max_blocks: int = 500_000
    max_entries: int = 10_000
    max_unpacked_mb: int = 256
    max_ratio: int = 100  # OWASP's example; text in Office files is packed 5 to 30 times

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise InvalidLimitError(
                    f"{name} must be a whole number in {low}..{high}, got {value!r}"
                )
