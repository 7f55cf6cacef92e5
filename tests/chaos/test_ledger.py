"""What counts as lost, doubled and made up."""

import pytest

from chaos.ledger import Ledger, parts_of


def judged(lines, found):
    ledger = Ledger()
    for line in lines:
        ledger.note(line)
    return ledger.judge(found)


def test_all_that_was_acknowledged_and_nothing_else_is_clean():
    verdict = judged(["attempted a", "acknowledged a"], parts_of("a"))
    assert verdict.is_clean
    assert (verdict.num_acknowledged, verdict.num_found) == (1, 1)


def test_a_client_that_was_told_nothing_proves_nothing():
    assert not judged(["attempted a"], []).is_clean


@pytest.mark.parametrize(
    ("lines", "found", "fault"),
    [
        ([], parts_of("a")[1:], "missing"),
        ([], parts_of("a") + parts_of("a")[:1], "doubled"),
        ([], parts_of("a") + parts_of("b"), "phantom"),
        ([], (*parts_of("a"), "Something else."), "phantom"),
        (["attempted b", "acknowledged b", "deleting b", "deleted b"],
         parts_of("a") + parts_of("b"), "phantom"),
        (["attempted b"], parts_of("a") + parts_of("b")[:1], "torn"),
        (["attempted b", "acknowledged b", "deleting b"],
         parts_of("a") + parts_of("b")[:2], "torn"),
    ],
)  # fmt: skip
def test_every_fault_is_seen(lines, found, fault):
    verdict = judged(["attempted a", "acknowledged a", *lines], found)
    assert not verdict.is_clean
    assert [
        name for name in ("missing", "phantom", "doubled", "torn") if getattr(verdict, name)
    ] == [fault]


@pytest.mark.parametrize("found", [(), parts_of("b")])
@pytest.mark.parametrize(
    "lines", [["attempted b"], ["attempted b", "acknowledged b", "deleting b"]]
)
def test_what_was_not_answered_may_have_happened_or_not(lines, found):
    assert judged(["attempted a", "acknowledged a", *lines], parts_of("a") + found).is_clean
