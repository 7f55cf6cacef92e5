"""A plan as tables for people."""

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table

from cluster.planning.licences import commercial_use
from cluster.planning.planned import Plan, as_json
from cluster.planning.replicas import Replicas
from cluster.planning.wanted import Wanted, latency_of


def print_plan(console: Console, plan: Plan, wanted: Wanted | None) -> None:
    """Writes all tables that the plan has something for, what was not checked, the faults last."""
    console.print(Group(*_tables(plan, wanted)))
    for note in plan.notes:
        console.print(note, style="yellow", markup=False, highlight=False, soft_wrap=True)
    for fault in plan.faults:
        console.print(fault, style="red", markup=False, highlight=False, soft_wrap=True)


def _tables(plan: Plan, wanted: Wanted | None) -> Iterator[RenderableType]:
    yield _deployments(plan)
    yield _models(plan)
    if plan.machines is not None:
        yield _machines(plan)
        yield _costs(plan, wanted)
    if plan.boundaries:
        yield _boundaries(plan)
    if plan.differences:
        yield _differences(plan)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _deployments(plan: Plan) -> Table:
    table = _table(
        "Replicas", "deployment", "least..most", "each asks for", "places", "survives losses of"
    )
    for name, one in plan.replicas.items():
        places, losses = "", ""
        if plan.at_least is not None and plan.at_most is not None:
            least, most = plan.at_least.fits(name)[0], plan.at_most.fits(name)[0]
            places = f"{least} of {one.least}, {most} of {one.most}"
            losses = _nodes(plan.at_least.survives(name))
        table.add_row(name, f"{one.least}..{one.most}", one.demand.words, places, losses)
    return table


def _nodes(number: int) -> str:
    return "no node" if number == 0 else f"{number} node{'s' if number > 1 else ''}"


def _models(plan: Plan) -> Table:
    table = _table(
        "Models", "deployment", "model", "memory, GB", "share, GB", "computed from", "licence",
        "commercial",
    )  # fmt: skip
    for name, one in plan.replicas.items():
        for model in one.models:
            memory, licence = "not known", None
            formula = f"{model.unknown}; give its sizes with --models"
            if model.memory is not None:
                memory, formula = f"{model.memory.total / 1e9:.2f}", model.memory.formula
            if model.checkpoint is not None:
                licence = model.checkpoint.licence
                formula += f" ({model.checkpoint.source})"
            table.add_row(
                name, model.name, memory, _share(one), formula, licence or "not known",
                commercial_use(licence),
            )  # fmt: skip
    return table


def _share(one: Replicas) -> str:
    if not one.on_gpu:
        return "CPU"
    if one.share_bytes is None:
        return "not known"
    room = one.requests_with_room
    words = "" if room is None else f", room for {room} requests of half a context"
    return f"{one.share_bytes / 1e9:.2f}{words}"


def _machines(plan: Plan) -> Table:
    found = as_json(plan)
    table = _table("Machines", "type", "nodes", "left", "when one goes, no new place for")
    for name, node_type in plan.machines.node_types.items() if plan.machines else ():
        left = found["left"].get(name, {})
        words = ", ".join(
            f"{value:g} {key}" for key, value in left.items() if value and key != "memory"
        )
        lost = ", ".join(found["homeless_after_loss_of"].get(name, ())) or "nothing"
        table.add_row(name, str(node_type.nodes), words or "nothing", lost)
    return table


def _costs(plan: Plan, wanted: Wanted | None) -> Table:
    assert plan.machines is not None
    currency = plan.machines.currency
    table = _table(f"Cost, {currency}", "machines", "an hour", "1,000 answers")
    prices = plan.price_per_hour()
    known = [price for price in prices.values() if price is not None]
    total = sum(known) if len(known) == len(prices) else None
    for market, price in {**prices, "all": total}.items():
        if price is None:
            table.add_row(market, "a price is missing", "")
            continue
        answers = f"{price / (wanted.rate * 3.6):.3f}" if wanted else "give --rate"
        table.add_row(market, f"{price:.2f}", answers)
    return table


def _boundaries(plan: Plan) -> Table:
    table = _table("For the rate in time", "deployment", "replicas", "95 of 100 within, s", "busy")
    for one in plan.boundaries:
        number = "no number is enough" if one.replicas is None else str(one.replicas)
        table.add_row(one.deployment, number, f"{one.latency_s:.3f}", f"{one.busy:.0%}")
    table.add_row("a whole question", "", f"{latency_of(plan.boundaries):.3f}", "")
    return table


def _differences(plan: Plan) -> Table:
    table = _table("`serve deploy` would", "where", "key", "effect", "meanwhile")
    for one in plan.differences:
        table.add_row(one.where, one.key, one.effect, one.told)
    return table
