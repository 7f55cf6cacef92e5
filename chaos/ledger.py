"""What a writing client was told, and what must therefore be found afterwards.

The workload is that of a set, as Jepsen has it: an addition that was acknowledged must be there,
one that was not may be, nothing else may; and of what is there, all of it, once.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

NUM_PARTS = 3  # passages of a document, so that a torn one shows


def parts_of(document: str) -> tuple[str, ...]:
    """Gives the texts of a document's passages; the name of the document is a word of each."""
    return tuple(f"Part {part} of {document} is told here." for part in range(NUM_PARTS))


def markdown_of(document: str) -> str:
    """Gives a document that is cut into exactly its parts, since each has a heading of its own."""
    return "\n\n".join(
        f"# {document} {number}\n\n{part}" for number, part in enumerate(parts_of(document))
    )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How what was found compares with what was acknowledged; names of documents.

    Attributes:
        num_attempted: documents that the client began to write.
        num_acknowledged: of those, the ones that must be there.
        num_deleted: of those, the ones that must not be there.
        num_found: acknowledged ones that are there whole.
        missing: acknowledged ones that are not, or not whole.
        phantom: texts that no client wrote, or that were deleted.
        doubled: texts that are there more than once.
        torn: documents of unknown fate of which a part is there.
    """

    num_attempted: int
    num_acknowledged: int
    num_deleted: int
    num_found: int
    missing: tuple[str, ...]
    phantom: tuple[str, ...]
    doubled: tuple[str, ...]
    torn: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether all is as the client was told; of a client that was told nothing, nothing is."""
        faults = (self.missing, self.phantom, self.doubled, self.torn)
        return self.num_acknowledged > 0 and not any(faults)

    def summary(self) -> dict[str, Any]:
        """Gives the figures, ready for JSON."""
        return asdict(self)


class Ledger:
    """Documents by what the client knows of them."""

    def __init__(self) -> None:
        self.attempted: set[str] = set()
        self.acknowledged: set[str] = set()
        self.deleting: set[str] = set()
        self.deleted: set[str] = set()

    def note(self, line: str) -> None:
        """Takes down a line of a client: `attempted NAME`, `acknowledged NAME` and so on."""
        event, document = line.split()
        {
            "attempted": self.attempted,
            "acknowledged": self.acknowledged,
            "deleting": self.deleting,
            "deleted": self.deleted,
        }[event].add(document)

    def judge(self, found: Iterable[str]) -> Verdict:
        """Compares.

        Args:
            found: the text of every passage that is there, as often as it is.
        """
        counts = Counter(found)
        due = self.acknowledged - self.deleting
        whole = {name for name in due if all(counts[part] for part in parts_of(name))}
        doubtful = (self.attempted | self.deleting) - due - self.deleted
        possible = {part for name in due | doubtful for part in parts_of(name)}
        torn = {
            name
            for name in doubtful
            if 0 < sum(counts[part] > 0 for part in parts_of(name)) < NUM_PARTS
        }
        return Verdict(
            num_attempted=len(self.attempted),
            num_acknowledged=len(due),
            num_deleted=len(self.deleted),
            num_found=len(whole),
            missing=tuple(sorted(due - whole)),
            phantom=tuple(sorted(set(counts) - possible)),
            doubled=tuple(sorted(text for text, count in counts.items() if count > 1)),
            torn=tuple(sorted(torn)),
        )
