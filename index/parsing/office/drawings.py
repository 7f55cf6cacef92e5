"""What charts and diagrams (SmartArt) of Office say, from the parts that hold their data."""

from collections.abc import Iterator
from typing import Any

from index.parsing.document import DocumentBuilder

CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MAX_POINTS = 1_000  # of one series: what is more is a measurement, not a chart to read


def add_chart(builder: DocumentBuilder, root: Any) -> None:
    """Adds the title that its author gave a chart, and its data as a table."""
    title = _joined(root.find(f"{CHART}chart/{CHART}title"))
    builder.add_block(title)
    builder.add_table(chart_rows(root), title=title, num_header_rows=1)


def add_diagram(builder: DocumentBuilder, root: Any) -> None:
    """Adds the texts of a diagram as items."""
    for item in _items(root):
        builder.add_block(f"- {item}")


def chart_rows(root: Any) -> list[list[str]]:
    """The data of a chart as a table: the names of the series above, one row a category."""
    series = list(root.iter(f"{CHART}ser"))
    names = [_joined(one.find(f"{CHART}tx")) for one in series]
    columns = [_points(one, "val", "yVal") for one in series]
    categories: dict[int, str] = {}
    for one in series:
        categories = _points(one, "cat", "xVal") | categories
    places = sorted(set(categories).union(*columns))
    rows = [[categories.get(i, ""), *(column.get(i, "") for column in columns)] for i in places]
    return [["", *names], *rows] if rows else []


def _items(root: Any) -> Iterator[str]:
    """The texts of the nodes, in the order in which they were written."""
    for point in root.iter(f"{DIAGRAM}pt"):
        if point.get("type", "node") in ("node", "asst"):
            for paragraph in point.iter(f"{DRAWING}p"):
                if text := "".join(one.text or "" for one in paragraph.iter(f"{DRAWING}t")).strip():
                    yield text


def _points(series: Any, *kinds: str) -> dict[int, str]:
    """The values by their places; of categories in several levels the innermost."""
    found = next((one for kind in kinds if (one := series.find(CHART + kind)) is not None), None)
    points: dict[int, str] = {}
    for point in () if found is None else found.iter(f"{CHART}pt"):
        place, value = point.get("idx", ""), point.find(f"{CHART}v")
        if place.isascii() and place.isdigit() and value is not None and len(points) < _MAX_POINTS:
            points.setdefault(int(place[:9]), _number(value.text or ""))
    return points


def _number(text: str) -> str:
    """Charts keep 0.1 + 0.2 as it is; 15 digits are what Office shows."""
    try:
        return f"{float(text):.15g}" if "." in text else text
    except ValueError:
        return text


def _joined(element: Any | None) -> str:
    if element is None:
        return ""
    texts = (one.text or "" for one in element.iter(f"{DRAWING}t", f"{CHART}v"))
    return "".join(texts).strip()
