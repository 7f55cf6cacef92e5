"""The arithmetic of `python -m benchmarks.overhead`, and what it refuses."""

import sys

import httpx
import pytest

from benchmarks import overhead
from benchmarks.checkout import CheckoutError
from benchmarks.overhead import ROOT, WHOLE, Sample, ask, compare


def samples(*every):
    return [Sample(answer="", times_ms=times_ms) for times_ms in every]


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_times():
    before = samples({WHOLE: 10}, {WHOLE: 100}, {WHOLE: 1000})
    after = samples({WHOLE: 30}, {WHOLE: 200}, {WHOLE: 1000})
    (row,) = compare(before, after)
    assert (row.before_p50, row.before_p90, row.after_p50, row.after_p90) == (100, 1000, 200, 1000)
    assert row.ratio == 2.0


def test_a_stage_that_only_one_has_stands_alone():
    before = samples({WHOLE: 10, "pack": 2})
    after = samples({WHOLE: 10, "budget": 1})
    rows = {row.stage: row for row in compare(before, after)}
    assert list(rows) == [WHOLE, "budget", "pack"]
    assert (rows["pack"].before_p50, rows["pack"].after_p50, rows["pack"].ratio) == (2, None, None)
    assert (rows["budget"].before_p50, rows["budget"].after_p50) == (None, 1)


def test_a_stage_that_took_no_time_has_no_ratio():
    rows = compare(samples({WHOLE: 1, "pack": 0.0}), samples({WHOLE: 1, "pack": 0.1}))
    assert rows[1].ratio is None


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [(503, {}, "503"), (200, {"choices": [{"message": {"content": "No."}}]}, "cites nothing")],
)
def test_an_answer_without_a_citation_proves_nothing(status, content, said):
    def reply(request):
        return httpx.Response(status, json=content)

    with (
        httpx.Client(base_url="http://x", transport=httpx.MockTransport(reply)) as client,
        pytest.raises(CheckoutError, match=said),
    ):
        ask(client, "How?")


@pytest.mark.parametrize(
    "wrong", [("--before", str(ROOT)), ("--before", "/"), ("--before", "/", "--requests", "0")]
)
def test_wrong_arguments_are_refused_before_anything_starts(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["overhead", *wrong])
    with pytest.raises(SystemExit) as ended:
        overhead.main()
    assert ended.value.code == 2
    assert wrong[-1] in capsys.readouterr().err
