"""The report as one HTML page without scripts, for people."""

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.evaluate.gate import Interval, shown
from benchmarks.evaluate.measures import LOWER_IS_BETTER, Reply
from benchmarks.evaluate.sets import Question

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { border-bottom: 1px solid #8884; padding: .3rem .6rem; text-align: left; }
td { vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bad { color: #b00020; } .good { color: #0a6b2d; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; }
.bad { color: #ff8a80; } .good { color: #7ddf9a; } }
"""


def page(
    title: str,
    reached: Mapping[str, Interval],
    before: Mapping[str, Interval],
    gained: Mapping[str, Interval],
    failures: Sequence[str],
    rows: Sequence[tuple[Question, Reply, Mapping[str, float]]],
) -> str:
    """Writes the page.

    Args:
        title: what was measured.
        reached: the mean of each measure.
        before: the mean of each measure of the version before; empty without one.
        gained: against that version; likewise.
        failures: the limits that are not kept.
        rows: every question with its reply and its measures; the worst are shown first.
    """
    verdict = (
        "<ul class=bad>" + "".join(f"<li>{escape(one)}</li>" for one in failures) + "</ul>"
        if failures
        else "<p class=good>Every limit is kept.</p>"
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1>{verdict}"
        f"{_summary(reached, before, gained)}<h2>Questions, the worst first</h2>"
        f"{_questions(rows)}</html>\n"
    )


def _summary(
    reached: Mapping[str, Interval],
    before: Mapping[str, Interval],
    gained: Mapping[str, Interval],
) -> str:
    head = "<tr><th>Measure<th>Mean<th>95 % interval<th>Questions"
    head += "<th>Before<th>95 % interval<th>Gain<th>95 % interval" if before else ""
    lines = []
    for name, one in reached.items():
        cells = f"<td>{escape(name)}{_shown(one)}<td class=n>{one.num_questions}"
        if before:
            cells += _shown(before.get(name)) + _shown(gained.get(name))
        lines.append(f"<tr>{cells}")
    return f"<table>{head}{''.join(lines)}</table>"


def _shown(one: Interval | None) -> str:
    if one is None:
        return "<td><td>"
    return f"<td class=n>{shown(one.mean)}<td class=n>{shown(one.low)} to {shown(one.high)}"


def _questions(rows: Sequence[tuple[Question, Reply, Mapping[str, float]]]) -> str:
    head = "<tr><th>Question<th>Answer<th>Cited<th>Measures<th>Request"
    ordered = sorted(rows, key=lambda row: _goodness(row[2]))
    lines = [
        f"<tr><td>{escape(question.text)}<td>{escape(reply.answer or reply.error)}"
        f"<td>{escape(', '.join(reply.cited))}"
        f"<td>{escape(', '.join(f'{name} {shown(value)}' for name, value in values.items()))}"
        f"<td><code>{escape(reply.request_id)}</code>"
        for question, reply, values in ordered
    ]
    return f"<table>{head}{''.join(lines)}</table>"


def _goodness(values: Mapping[str, float]) -> float:
    kept = [value for name, value in values.items() if name not in LOWER_IS_BETTER]
    return sum(kept) / len(kept) if kept else 0.0
