"""The short form of `make bench-search`: it runs to its end, and finds what it should."""

import json

from benchmarks.search import __main__ as search


def test_the_benchmark_of_retrieval_measures_all_that_it_lists(tmp_path, capsys):
    out = tmp_path / "search.json"
    arguments = ["--passages", "20000", "--dim", "64", "--questions", "40", "--fresh", "5"]
    assert search.main([*arguments, "--out", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["num_lists"] > 0  # past the size of a flat index
    assert figures["recall"] >= 0.97
    assert figures["filtered_recall"] >= 0.97
    printed = " ".join(capsys.readouterr().out.split())
    assert all(name in printed for name, _, _ in search.ROWS[:3])
