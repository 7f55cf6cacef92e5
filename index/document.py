"""A parsed document: plain text in blocks, each under its headings."""

from dataclasses import dataclass, field

MAX_HEADING_CHARS = 200
BLOCK_SEPARATOR = "\n\n"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph, list item, table row or code listing.

    `char_start` is where it stands in the document's plain text.
    """

    heading_path: tuple[str, ...]
    text: str
    char_start: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain text without markup; its spans are what citations point at."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        """The whole plain text: the blocks with an empty line between them."""
        return BLOCK_SEPARATOR.join(block.text for block in self.blocks)


@dataclass
class DocumentBuilder:
    """Collects headings and blocks in reading order.

    A heading with nothing below it becomes a block of its own, so that no text is lost.
    """

    title: str
    _blocks: list[Block] = field(default_factory=list)
    _headings: list[tuple[int, str]] = field(default_factory=list)
    _end: int = 0
    _last_heading_is_bare: bool = False

    def add_heading(self, level: int, text: str) -> None:
        """Opens a section; level 1 is the outermost."""
        text = " ".join(text.split())[:MAX_HEADING_CHARS]
        if not text:
            return
        if self._headings and level <= self._headings[-1][0]:
            self._keep_bare_heading()
        self._headings = [heading for heading in self._headings if heading[0] < level]
        self._headings.append((level, text))
        self._last_heading_is_bare = True

    def add_block(self, text: str) -> None:
        """Adds a block to the section that is open; an empty one is dropped."""
        text = text.strip()
        if not text:
            return
        start = self._end + len(BLOCK_SEPARATOR) if self._blocks else 0
        path = tuple(heading for _, heading in self._headings)
        self._blocks.append(Block(heading_path=path, text=text, char_start=start))
        self._end = start + len(text)
        self._last_heading_is_bare = False

    def build(self) -> Document:
        """The finished document."""
        self._keep_bare_heading()
        return Document(title=self.title, blocks=tuple(self._blocks))

    def _keep_bare_heading(self) -> None:
        if self._last_heading_is_bare:
            self.add_block(self._headings[-1][1])
