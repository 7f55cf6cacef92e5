"""What can be quoted of a passage: sentences, items of a list behind its lead-in, rows in words.

passage, with its neighbours      units
You need:                         lead      You need:
- a pump                          item      - a pump         lead_in: You need:
Code | Meaning                    (the header is none)
E-11 | dry                        row       Code: E-11; Meaning: dry
Parking                           (a heading of what follows)
Is it free?                       (asks, and goes before what answers)
Yes, behind the house.            sentence  Yes, behind the house.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, takewhile, zip_longest
from typing import Literal

from graphs.pipeline.quoting.words import file_words
from index.parsing.document import BLOCK_SEPARATOR
from index.records import StoredPassage
from index.rows import readable_row
from index.searching.request import Hit
from index.sentences import LEADS_IN, is_item, lead_in_of, split_sentences

UnitKind = Literal["sentence", "lead", "item", "row", "code"]

_TITLE_SEPARATOR, _BAR = " > ", " | "
_FEWEST_LINES, _MOST_LINE_WORDS = 3, 25  # of a list without bullets
_MOST_HEADING_WORDS = 6  # of a line without a mark at its end
_ENDS = (".", "!", "?", "…", "。", ")", '"', "”", "'")
# It goes on with what the sentence before it speaks of.
_GOES_ON = re.compile(
    r"(?:it|they|them|this|these|that|those|he|she|its|their|otherwise|both|such|because|instead|"
    r"in that case|in this case|until then|after that|before that|neither|either|for this|"
    r"from then)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"(?:it|they|this|these|that|otherwise|because|the reason|so|therefore|for this reason|"
    r"in that case|instead)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A piece that can stand in an answer.

    Attributes:
        hit: the passage that it is of.
        text: as it is quoted.
        path: the headings over it, outermost first, without columns and lead-in.
        columns: names of the columns of a row, joined as a row is.
        row: of a row, its text in the passage.
        lead_in: what leads in the list that it is an item of.
        before: the sentence before it, without which it is not understood.
        after: the next sentence, if that goes on with this one.
        continues: it is the rest of the unit before, which was too long for a passage.
        is_line: it is short and a paragraph by itself.
    """

    hit: Hit
    text: str
    kind: UnitKind
    path: tuple[str, ...]
    columns: str = ""
    row: str = ""
    lead_in: str = ""
    before: str = ""
    after: str = ""
    continues: bool = False
    is_line: bool = False

    @property
    def title(self) -> str:
        """The headings in one line."""
        return _TITLE_SEPARATOR.join(self.path)

    @property
    def whole(self) -> str:
        """The text behind what it needs to be understood."""
        return " ".join(filter(None, (self.lead_in or self.before, self.text)))

    @property
    def about(self) -> str:
        """All that tells what it is about, in lower case: file name, headings, text."""
        file = f"{self.hit.filename}\n{file_words(self.hit.filename)}"
        return f"{file}\n{self.title}\n{self.columns}\n{self.whole}".lower()


def units_around(hit: Hit) -> list[Unit]:
    """Cuts a hit and those of its neighbours that lie under the same headings, in their order."""
    around = hit.around or (_passage_of(hit),)
    path, _ = _split_title(hit.title)
    near = [one for one in around if _split_title(one.title)[0] == path]
    units: list[Unit] = []
    lead_in, end = "", -1
    for passage in near:
        _, last = _split_title(passage.title)
        columns = last if _BAR in last else ""
        lead_in = last if last.endswith(LEADS_IN) else lead_in
        found = _cut(_hit_of(hit, passage), path, columns, lead_in)
        if units and found and 0 <= passage.char_start - end < len(BLOCK_SEPARATOR):
            is_cut = units[-1].kind != "item" and not units[-1].text.endswith((".", "!", "?", ")"))
            found[0] = replace(found[0], kind=units[-1].kind, continues=is_cut)
        end = passage.char_end
        lead_in = (
            found[-1].text
            if found and found[-1].kind == "lead"
            else (found[-1].lead_in if found else "")
        )
        units += found
    path = tuple(one for one in path if one != hit.filename)
    units = [replace(unit, path=path) for unit in units]
    titles = {one.strip(" :").lower() for one in (*path, hit.filename)}
    is_alone = len(units) < 2 or units[1].continues
    kept = [
        unit for number, unit in enumerate(units)
        if not _is_title(unit, titles, is_first=number == 0 and not is_alone)
    ]  # fmt: skip
    return _headed(_listed(_linked(kept)))


def _is_title(unit: Unit, titles: set[str], *, is_first: bool) -> bool:
    """Says whether a unit is a heading once more, or the first line of a text file."""
    is_first_line = (
        is_first
        and not unit.path
        and unit.kind == "sentence"
        and unit.hit.char_start == 0
        and unit.text[-1:] not in ".!?)\"'"
    )
    return is_first_line or unit.text.strip(" :").lower() in titles


def units_of(hit: Hit) -> list[Unit]:
    """Cuts a hit."""
    return [unit for unit in units_around(hit) if unit.hit.chunk_id == hit.chunk_id]


def _cut(hit: Hit, path: tuple[str, ...], columns: str, lead_in: str) -> list[Unit]:
    blocks = [block.strip() for block in hit.text.split(BLOCK_SEPARATOR) if block.strip()]
    columns = columns or _header(blocks)
    units: list[Unit] = []
    for block in blocks:
        if _BAR in block and "\n" not in block and (columns or block.count(_BAR) > 0):
            if block != columns:
                text = readable_row(columns, block)
                units.append(
                    Unit(hit=hit, text=text, kind="row", path=path, columns=columns, row=block)
                )
            lead_in = ""
        elif "\n" in block:
            units.append(Unit(hit=hit, text=block, kind="code", path=path))
            lead_in = ""
        elif is_item(block):
            units.append(Unit(hit=hit, text=block, kind="item", path=path, lead_in=lead_in))
        else:
            lead_in = lead_in_of(block)
            found = split_sentences(block)
            for sentence in found:
                kind: UnitKind = "lead" if sentence == lead_in else "sentence"
                is_line = len(found) == 1 and len(sentence.split()) <= _MOST_LINE_WORDS
                units.append(Unit(hit=hit, text=sentence, kind=kind, path=path, is_line=is_line))
    return units


def _header(blocks: Sequence[str]) -> str:
    """Finds the header of a table that begins inside a passage: names over rows with numbers."""
    rows = [block for block in blocks if _BAR in block and "\n" not in block]
    if len(rows) < 2:
        return ""
    first, second = rows[:2]
    same = first.count(_BAR) >= second.count(_BAR)
    is_named = not any(char.isdigit() for char in first) and any(char.isdigit() for char in second)
    return first if same and is_named else ""


def _linked(units: list[Unit]) -> list[Unit]:
    """Tells each sentence what stands before and after it, where one needs the other."""
    linked = list(units)
    for index, (one, other) in enumerate(pairwise(units)):
        if one.kind != "sentence" or other.kind != "sentence":
            continue
        if _GOES_ON.match(other.text):
            linked[index + 1] = replace(linked[index + 1], before=one.text)
        if _REASON.match(other.text):
            linked[index] = replace(linked[index], after=other.text)
    return linked


def _listed(units: list[Unit]) -> list[Unit]:
    """Takes three lines or more that stand together for a list.

    Those that end as sentences are paragraphs, unless there is nothing else, as on a slide.
    """
    listed: list[Unit] = []
    for are_lines, run in groupby(units, key=_is_line):
        lines = list(run)
        num_told = sum(unit.text.endswith(_ENDS) for unit in lines)
        is_list = num_told == 0 or len(lines) == len(units)
        is_asked = any(unit.text.endswith("?") for unit in lines)
        if are_lines and len(lines) >= _FEWEST_LINES and is_list and not is_asked:
            lines = [replace(unit, kind="item") for unit in lines]
        listed += lines
    return listed


def _is_line(unit: Unit) -> bool:
    return unit.is_line and unit.kind == "sentence" and not (unit.before or unit.after)


def _headed(units: list[Unit]) -> list[Unit]:
    """Puts lines that head a text, and questions that it answers, before what follows them.

    Neither answers anything.
    """
    kept: list[Unit] = []
    heading = question = ""
    for unit, following in zip_longest(units, units[1:]):
        if unit.kind == "sentence" and unit.text.endswith("?"):
            question = unit.text
        elif following is not None and _is_heading(unit, following):
            heading, question = unit.text, ""
        else:
            path = (*unit.path, heading) if heading else unit.path
            kept.append(replace(unit, path=path, before=question or unit.before))
            question = ""
    return kept


def _is_heading(unit: Unit, following: Unit) -> bool:
    is_short = _is_line(unit) and len(unit.text.split()) <= _MOST_HEADING_WORDS
    is_told = following.text.endswith(_ENDS) or following.kind in ("item", "row", "lead")
    return is_short and is_told and not unit.text.endswith((*_ENDS, ","))


def _split_title(title: str) -> tuple[tuple[str, ...], str]:
    """Gives the headings, and the last part where that is columns or a lead-in."""
    *above, last = title.split(_TITLE_SEPARATOR)
    if _BAR in last or last.endswith(LEADS_IN):
        return tuple(above), last
    return (*above, last), ""


def _passage_of(hit: Hit) -> StoredPassage:
    return StoredPassage(
        chunk_id=hit.chunk_id, store_id=hit.store_id, file_id=hit.file_id, filename=hit.filename,
        title=hit.title, text=hit.text, char_start=hit.char_start, char_end=hit.char_end,
        page=hit.page,
    )  # fmt: skip


def _hit_of(hit: Hit, passage: StoredPassage) -> Hit:
    if passage.chunk_id == hit.chunk_id:
        return hit
    return replace(hit, **vars(passage))


def whole_unit(units: Sequence[Unit], chosen: Unit) -> list[Unit]:
    """Gives the chosen unit with its rest in the next passages, or what it is the rest of."""
    place = place_of(units, chosen)
    first, last = place, place + 1
    while first and units[first].continues:
        first -= 1
    while last < len(units) and units[last].continues:
        last += 1
    return list(units[first:last])


def place_of(units: Sequence[Unit], chosen: Unit) -> int:
    """Finds a unit among those of its surroundings."""
    return next(
        index for index, unit in enumerate(units)
        if unit.text == chosen.text and unit.hit.chunk_id == chosen.hit.chunk_id
    )  # fmt: skip


def same_list(units: Sequence[Unit], chosen: Unit) -> Iterator[Unit]:
    """Gives the items or rows that stand together with the chosen one, or that it leads in."""
    place = place_of(units, chosen)
    kind = chosen.kind
    if kind == "lead":
        place += 1
        kind = units[place].kind if place < len(units) else "sentence"
    if kind not in ("item", "row"):
        return
    one = units[place]
    first = place
    while first and _are_listed(units[first - 1], one):
        first -= 1
    yield from takewhile(lambda unit: _are_listed(unit, one), units[first:])


def _are_listed(unit: Unit, other: Unit) -> bool:
    """Says whether two units that stand together can be of one list: alike in kind and marks."""
    alike = unit.kind == other.kind and unit.columns == other.columns
    return alike and (is_item(unit.text) == is_item(other.text) or unit.kind == "row")
