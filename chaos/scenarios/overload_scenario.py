"""More load than there is room for: what still comes through, and how the rest is told."""

from chaos.arena import Arena, Size
from chaos.errors import ChaosError
from chaos.load import Load, Outcome, chat_calls
from chaos.report import Fault, Report, percentile

_TIMES = 3
_GOODPUT = 0.9
_AMPLIFICATION = 1.1
_REJECTION_S = 1.0  # the client shares two cores with the system


async def overload(arena: Arena, size: Size) -> Report:
    """Offers what the slots of the generator can take, then three times that.

    Args:
        arena: where.
        size: `rate` is of no account: it follows from the slots.
    """
    report = Report(scenario="overload", seed=arena.seed)
    capacity = await _capacity(arena, size.max_tokens)
    report.figures["capacity_per_s"] = round(capacity, 2)
    calls = chat_calls(
        seed=arena.seed, count=size.num_requests, rate=capacity, max_tokens=size.max_tokens
    )
    report.control = await Load(arena.system.url).run(calls)
    peak = _goodput(report.control)
    count_before = await _num_requests(arena)
    flood = chat_calls(
        seed=arena.seed + 1, count=_TIMES * size.num_requests, rate=_TIMES * capacity,
        max_tokens=size.max_tokens,
    )  # fmt: skip
    load = Load(arena.system.url)
    report.run = await load.run(
        flood, lambda: arena.on_progress("flood", len(load.outcomes), len(flood))
    )
    num_begun = await _num_requests(arena) - count_before
    report.faults.append(
        Fault(kind="overload", target="generator", at_s=0.0, proof=f"{_TIMES} x {capacity:.1f} /s")
    )
    _check(report, peak, num_begun)
    return report


async def _capacity(arena: Arena, max_tokens: int) -> float:
    """Gives how many answers a second all slots can write."""
    served = await arena.served()
    return float(sum(one["slots"] * one["tokens_per_s"] for one in served)) / max_tokens


async def _num_requests(arena: Arena) -> int:
    return sum(one["num_requests"] for one in await arena.served())


def _goodput(outcomes: list[Outcome]) -> float:
    """Gives whole answers a second, from the first sent to the last that was sent.

    Answers that end after the last request left are not counted, nor is that time.
    """
    last_sent_s = max(outcome.sent_s for outcome in outcomes)
    whole = [one for one in outcomes if one.succeeded and one.ended_s <= last_sent_s]
    first_end_s = min((one.ended_s for one in whole), default=0.0)
    if not whole or last_sent_s <= first_end_s:
        msg = "the load was too short to measure a goodput"
        raise ChaosError(msg)
    return len(whole) / (last_sent_s - first_end_s)


def _check(report: Report, peak: float, num_begun: int) -> None:
    goodput = _goodput(report.run)
    succeeded = [one for one in report.run if one.succeeded]
    rejected = [one for one in report.run if one.rejected]
    untold = [one.key for one in rejected if one.retry_after is None]
    others = [f"{one.key}: {one.failure}" for one in report.run
              if not one.succeeded and not one.rejected]  # fmt: skip
    amplification = num_begun / max(len(succeeded), 1)
    report.figures |= {
        "peak_per_s": round(peak, 2),
        "goodput_per_s": round(goodput, 2),
        "amplification": round(amplification, 3),
    }
    report.check("some were rejected", bool(rejected), len(rejected))
    report.check("goodput >= 90 % of peak", goodput >= _GOODPUT * peak, f"{goodput:.2f}:{peak:.2f}")
    report.check("every rejection has Retry-After", not untold, untold[:5])
    report.check("nothing but answers and rejections", not others, others[:5])
    report.check("amplification <= 1.1", amplification <= _AMPLIFICATION, f"{amplification:.3f}")
    if rejected:
        took = percentile([one.ended_s - one.sent_s for one in rejected], 99)
        report.figures["rejection_p99_s"] = round(took, 3)
        report.check("rejections are fast", took <= _REJECTION_S, f"p99 {took:.3f} s")
