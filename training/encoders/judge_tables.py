"""Rows of tables with questions that they answer, and near ones that they do not.

A row is written as the server quotes it: `Level: Haul; Power: 170 percent; Range: 48 km`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from training.facts import GENERATED, SLOTS, pseudo_word

Draw = Callable[[random.Random], str]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its name, its values, and how people ask for it (`{}` is the row's key)."""

    name: str
    value: Draw
    questions: tuple[str, ...]


def _amount(least: int, most: int, unit: str) -> Draw:
    return lambda rng: f"{rng.randint(least, most)} {unit}".strip()


def _one_of(slot: str) -> Draw:
    return lambda rng: rng.choice(SLOTS[slot].split(", "))


def _column(name: str, value: Draw, questions: str) -> Column:
    return Column(name=name, value=value, questions=tuple(questions.split(" | ")))


# fmt: off
COLUMNS = (
    _column("Price", GENERATED["money"], "What does {} cost? | how much is {} | price of {}"),
    _column("Weight", _amount(1, 90, "kg"), "How heavy is {}? | What does {} weigh? | weight {}"),
    _column("Range", _amount(10, 400, "km"), "How far does {} go? | What range does {} have?"),
    _column("Power", _amount(20, 3000, "W"), "How much power does {} have? | power of {}"),
    _column("Colour", _one_of("colour"), "What colour is {}? | In which colour does {} come?"),
    _column("Length", _amount(2, 300, "cm"), "How long is {}? | What is the length of {}?"),
    _column("Width", _amount(2, 300, "cm"), "How wide is {}? | width of {}"),
    _column("Height", _amount(2, 300, "cm"), "How tall is {}? | What height does {} have?"),
    _column("Opens", GENERATED["time"], "When does {} open? | opening time of {}"),
    _column("Closes", GENERATED["time"], "When does {} close? | until when is {} open"),
    _column("Phone", _amount(200, 999, "4471"), "What is the phone number of {}? | phone {}"),
    _column("Contact", GENERATED["person"], "Who is in charge of {}? | Whom do I ask about {}?"),
    _column("Floor", _amount(1, 9, ""), "On which floor is {}? | what floor do I find {} on"),
    _column("Seats", _amount(4, 500, ""), "How many seats has {}? | How many people fit in {}?"),
    _column("Speed", _amount(5, 200, "km/h"), "How fast is {}? | top speed of {}"),
    _column("Voltage", _amount(5, 400, "V"), "What voltage does {} need? | voltage of {}"),
    _column("Memory", _amount(1, 64, "GB"), "How much memory does {} have? | memory {}"),
    _column("Guarantee", GENERATED["dur"], "How long is the guarantee of {}? | warranty on {}"),
    _column("Delivery", GENERATED["dur"], "How long does delivery of {} take? | delivery time {}"),
    _column("Made in", GENERATED["city"], "Where is {} made? | Where does {} come from?"),
    _column("Since", GENERATED["year"], "Since when is there {}? | In which year did {} start?"),
    _column("Material", _one_of("material"), "What is {} made of? | material of {}"),
    _column("Temperature", GENERATED["temp"], "How hot does {} get? | temperature of {}"),
    _column("Duration", GENERATED["dur"], "How long does {} last? | duration of {}"),
    _column("Distance", _amount(2, 900, "km"), "How far away is {}? | distance to {}"),
    _column("Minimum age", _amount(3, 21, ""), "How old must one be for {}? | age limit of {}"),
    _column("Shelf", _amount(1, 40, "B"), "On which shelf is {}? | Where is {} kept?"),
    _column("In stock", _amount(0, 900, ""), "How many of {} are in stock? | stock of {}"),
    _column("Departure", GENERATED["time"], "When does {} leave? | departure of {}"),
    _column("Platform", _amount(1, 24, ""), "From which platform does {} leave? | platform {}"),
    _column("Deposit", GENERATED["money"], "What deposit is due for {}? | deposit {}"),
    _column("Noise", _amount(20, 110, "dB"), "How loud is {}? | noise level of {}"),
    _column("Discount", _amount(2, 50, "percent"), "What discount is there on {}? | rebate on {}"),
    _column("Calories", _amount(30, 900, "kcal"), "How many calories does {} have?"),
    _column("Payment", _one_of("payment"), "How do I pay for {}? | payment for {}"),
    _column("Day", _one_of("day"), "On which day is {}? | what day of the week is {}"),
)
# fmt: on
_KEYS = ("plan", "device", "event", "place", "team", "service", "part", "food")


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """A row with questions about it."""

    title: str
    text: str
    answered: tuple[str, ...]
    unanswered: tuple[str, ...]


def draw_rows(rng: random.Random) -> list[TableRow]:
    """Draws a table and gives two of its rows."""
    kind = rng.choice(_KEYS)
    names = rng.sample(SLOTS[kind].split(", "), 3)
    if rng.random() < 0.4:
        names = _coded(rng, names)
    columns = rng.sample(COLUMNS, rng.randint(2, 5) + 2)
    shown, absent = columns[:-2], columns[-2:]
    title = f"{pseudo_word(rng).capitalize()}: {kind}s" + rng.choice(("", " > Overview", " 2025"))
    return [
        TableRow(
            title=title,
            text="; ".join(
                [f"{kind.capitalize()}: {name}", *(f"{c.name}: {c.value(rng)}" for c in shown)]
            ),
            answered=tuple(_ask(rng, column, name) for column in shown),
            unanswered=(
                *(_ask(rng, column, name) for column in absent),
                _ask(rng, rng.choice(shown), names[2]),
            ),
        )
        for name in names[:2]
    ]


def _coded(rng: random.Random, names: list[str]) -> list[str]:
    """Gives part numbers for names; half of the time they differ by a digit."""
    letters = "".join(rng.sample("ABCDEHKMPRTX", 2))
    if rng.random() < 0.5:
        first = rng.randint(100, 9990)
        return [f"{letters}-{first + step}" for step in rng.sample(range(10), len(names))]
    return [
        rng.choice((f"{letters}-{rng.randint(100, 9999)}", f"{name} {rng.randint(2, 900)}"))
        for name in names
    ]


def _ask(rng: random.Random, column: Column, name: str) -> str:
    known = name if any(char.isupper() or char.isdigit() for char in name) else f"the {name}"
    return rng.choice(column.questions).format(known)
