from pathlib import Path

from graphs.commands import check

ROOT = Path(__file__).parents[3]


def test_the_shipped_files_have_no_faults(capsys):
    files = [ROOT / "local.yaml", ROOT / "cluster.yaml", ROOT / "chaos/simulated/simulated.yaml"]
    assert check.main([str(path) for path in files]) == 0
    assert capsys.readouterr().out == ""


def test_faults_of_all_files_are_told(capsys, tmp_path):
    for name, key in {"a.yaml": "max_token", "b.yaml": "batchsize"}.items():
        text = (ROOT / "local.yaml").read_text().replace("max_tokens: 192", f"{key}: 192")
        (tmp_path / name).write_text(text)
    assert check.main([str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]) == 1
    told = capsys.readouterr().out
    assert "a.yaml" in told
    assert "did you mean 'max_tokens'?" in told
    assert "did you mean 'batch_size'?" in told
