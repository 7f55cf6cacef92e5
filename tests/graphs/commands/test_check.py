from pathlib import Path

from graphs.commands import check

ROOT = Path(__file__).parents[3]


def test_the_shipped_files_have_no_faults(capsys):
    files = [ROOT / "local.yaml", ROOT / "cluster.yaml", ROOT / "chaos/simulated/simulated.yaml"]
    assert check.main([str(path) for path in files]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{path}: good" for path in files]


def test_faults_of_all_files_are_told(capsys, tmp_path):
    for name, key in {"a.yaml": "max_token", "b.yaml": "batchsize"}.items():
        text = (ROOT / "local.yaml").read_text().replace("max_tokens: 192", f"{key}: 192")
        (tmp_path / name).write_text(text)
    assert check.main([str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]) == 1
    told = capsys.readouterr().out
    assert "a.yaml" in told
    assert "did you mean 'max_tokens'?" in told
    assert "did you mean 'batch_size'?" in told


def test_a_hostile_file_does_not_hide_the_files_after_it(capsys, tmp_path):
    (tmp_path / "hostile.yaml").write_bytes(b"\0")
    (tmp_path / "recursive.yaml").write_text("a: &a [*a]")
    files = [tmp_path / "hostile.yaml", tmp_path / "recursive.yaml", ROOT / "local.yaml"]
    assert check.main([str(path) for path in files]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"error: {files[0]}:1: no YAML: character U+0000 is not allowed"
    assert told[1] == f"error: {files[1]}:1: no YAML: an alias stands inside of what it names"
    assert told[2:] == [f"{files[2]}: good"]
