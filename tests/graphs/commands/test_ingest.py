"""The command that loads many documents; test_ingest_kill.py runs it on Ray."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from graphs.commands import ingest
from graphs.commands.bulk_pipeline import Room, plan_processes
from graphs.commands.report import Report, print_report
from graphs.commands.served import read_served
from graphs.commands.session import SessionError, ray_session
from graphs.errors import ConfigError
from index.bulk.bulk_parcel import Tally
from index.bulk.bulk_reading import Failure
from index.catalog.accounts.records import AuditQuery
from index.catalog.catalog import Catalog
from index.errors import ExpiredStoreError, LostLeaseError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("RAGFLEET_DATABASE_URL", f"sqlite:///{tmp_path}/corpus.db")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)


def said(capsys, *arguments):
    """The exit status and the words of a run that ends before Ray is started."""
    try:
        status = ingest.main(arguments)
    except SystemExit as err:
        status = err.code
    captured = capsys.readouterr()
    return status, " ".join((captured.out + captured.err).split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["docs"], "the following arguments are required: --store"),
        (["--store", "s"], "the following arguments are required: SOURCE"),
        (["docs", "--store", " "], "--store: must not be empty, got ' '"),
        (["docs", "--store", "s", "--cpus", "0"], "at least 1, got '0'"),
        (["docs", "--store", "s", "--cpus", "two"], "at least 1, got 'two'"),
        (["docs", "--store", "s"], "'docs' is no file, no folder, and matches no file"),
        (["docs", "--store", "s", "--config", "no.yaml"], "no.yaml: No such file or directory"),
    ],
)
def test_a_bad_argument_is_told_with_its_value(capsys, arguments, message):
    status, words = said(capsys, *arguments)
    assert status == ingest.WRONG_ARGUMENTS
    assert message in words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "no YAML: "),
        ("applications: []", "must hold one application of graphs.app:build, got 0"),
        (
            "applications: [{import_path: graphs.app:build, deployments: [{name: Ingester}]}]",
            "missing block 'Embedder'",
        ),
        (
            "applications: [{import_path: graphs.app:build, deployments: "
            "[{name: Embedder, user_config: {model: a/b, batch: 1}}]}]",
            "Embedder.user_config: unknown key 'batch'; did you mean 'batch_size'?",
        ),
    ],
)
def test_a_config_that_cannot_be_used_is_told_with_its_file(capsys, tmp_path, text, message):
    (tmp_path / "a.md").write_text("Words.")
    (tmp_path / "bad.yaml").write_text(text)
    status, words = said(capsys, "a.md", "--store", "s", "--config", "bad.yaml")
    assert status == ingest.WRONG_ARGUMENTS
    assert "bad.yaml:1: " in words
    assert message in words


def test_help_tells_of_lines_of_json_resuming_and_the_environment(capsys):
    status, words = said(capsys, "--help")
    assert status == 0
    for part in ('{"id": "faq-7", "text":', "run again, it goes on", "RAGFLEET_DATABASE_URL"):
        assert part in words


def test_the_embedder_and_the_cutting_are_those_of_the_server(tmp_path):
    local = read_served(ROOT / "local.yaml")
    assert (local.embedder.model, local.num_gpus) == ("bundled:embedder", 0)
    assert local.cutting.chunking.max_chunk_tokens == 48
    assert local.runtime_env == {}
    assert local.database_url.endswith("/corpus.db")
    cluster = read_served(ROOT / "cluster.yaml")
    assert (cluster.embedder.model, cluster.num_gpus) == ("BAAI/bge-base-en-v1.5", 0.3)
    config = yaml.safe_load((ROOT / "local.yaml").read_text())
    config["applications"][0]["runtime_env"] = {"env_vars": {"HF_HUB_OFFLINE": "1"}}
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(config))
    assert read_served(changed).runtime_env == {"env_vars": {"HF_HUB_OFFLINE": "1"}}


def test_an_address_of_a_ray_client_is_refused():
    with (
        pytest.raises(SessionError, match="RAY_ADDRESS=ray://head:10001: files are read on this"),
        ray_session("ray://head:10001", num_cpus=None, runtime_env={}),
    ):
        pass


@pytest.mark.parametrize(
    ("cpus", "gpus", "largest", "share", "expected"),
    [
        (1.0, 0, 1, 0, (1, 1, 1, 0)),
        (2.0, 0, 2, 0, (1, 2, 1, 0)),
        (3.4, 0, 4, 0.3, (1, 3, 1, 0)),
        (64.0, 0, 64, 0, (32, 8, 8, 0)),
        (64.0, 0, 16, 0, (32, 32, 2, 0)),
        (16.0, 2, 16, 0.3, (8, 6, 2, 0.3)),
        (16.0, 0.2, 16, 0.3, (8, 8, 2, 0)),
    ],
)
def test_processes_are_as_many_as_there_is_room_for(cpus, gpus, largest, share, expected):
    served = replace(read_served(ROOT / "local.yaml"), num_gpus=share)
    room = Room(num_cpus=cpus, num_gpus=gpus, cpus_of_largest_node=largest)
    plan = plan_processes(served, room)
    num_cutters, num_embedders, threads, gpu_share = expected
    assert (plan.num_cutters, plan.num_embedders) == (num_cutters, num_embedders)
    assert (plan.threads_an_embedder, plan.gpu_share) == (threads, gpu_share)


def test_one_process_writes_to_sqlite_and_several_to_postgresql():
    served = read_served(ROOT / "local.yaml")
    room = Room(num_cpus=4, num_gpus=0, cpus_of_largest_node=4)
    assert plan_processes(served, room).num_committers == 1
    postgres = replace(served, database_url="postgresql://host/corpus")
    assert plan_processes(postgres, room).num_committers == 4


def test_a_cluster_without_a_free_cpu_is_refused():
    room = Room(num_cpus=0.7, num_gpus=1, cpus_of_largest_node=4)
    with pytest.raises(SessionError, match=r"has 0\.7 CPUs free and the load needs at least 1"):
        plan_processes(read_served(ROOT / "local.yaml"), room)


def store_for(url, *options):
    options = ingest._parser().parse_args(["folder", "--store", *options])
    return ingest._find_or_create(url, options)


def test_a_store_is_found_by_name_or_id_or_made(tmp_path):
    url = f"sqlite:///{tmp_path}/corpus.db"
    made = store_for(url, "docs")
    assert store_for(url, "docs") == made == store_for(url, made.store_id)
    catalog = Catalog(url, clock=lambda: 0)
    catalog.create_store(name="old", expires_after_days=1)
    catalog.close()
    with pytest.raises(ExpiredStoreError, match="'old' has expired"):
        store_for(url, "old")


def test_a_store_is_of_the_tenant_and_for_those_who_are_named(tmp_path):
    url = f"sqlite:///{tmp_path}/corpus.db"
    open_to_all = store_for(url, "docs")
    made = store_for(url, "docs", "--tenant", "acme", "--users", "ann, bo", "--groups", "sales")
    assert (made.tenant, made.store_id != open_to_all.store_id) == ("acme", True)
    assert store_for(url, "docs", "--tenant", "acme") == made  # as it is
    catalog = made.opened()
    loads = catalog.audit(AuditQuery(tenant="acme"))
    assert [row.action for row in loads] == [f"graphs.commands.ingest {made.store_id}"] * 2
    assert catalog.get_store(made.store_id).access == "|group:sales|user:ann|user:bo|"
    catalog.close()
    with pytest.raises(ConfigError, match="'docs' has another access list"):
        store_for(url, "docs", "--tenant", "acme", "--groups", "all")


@pytest.mark.parametrize(
    ("wrong", "told"), [(["--tenant", "a/b"], "got 'a/b'"), (["--users"], "expected one argument")]
)
def test_a_wrong_tenant_or_list_is_told(capsys, wrong, told):
    with pytest.raises(SystemExit):
        ingest._parser().parse_args(["folder", "--store", "docs", *wrong])
    assert told in capsys.readouterr().err


def interrupted(*tallies, error):
    yield from tallies
    raise error


def test_an_interrupted_load_keeps_its_count():
    tallies = interrupted(Tally(num_loaded=2), Tally(num_loaded=1), error=KeyboardInterrupt())
    tally, status = ingest._follow(tallies, 5, Console(quiet=True))
    assert (tally.num_loaded, status) == (3, ingest.INTERRUPTED)


def test_an_error_of_a_stage_ends_the_load_with_its_cause(capsys):
    cause = LostLeaseError("of the stage\nFailed to apply UDF transform")
    error = ingest.RayTaskError("stage", "traceback", cause)
    tally, status = ingest._follow(
        interrupted(Tally(num_loaded=2), error=error), 5, Console(soft_wrap=True)
    )
    assert (tally.num_loaded, status) == (2, ingest.ENDED_EARLY)
    words = capsys.readouterr().out
    assert "error: LostLeaseError: of the stage" in words
    assert "UDF" not in words


def report():
    failures = tuple(Failure(name=f"{n:02}[b].pdf", reason="broken [/x]") for n in range(25))
    tally = Tally(
        num_loaded=1000, num_present=7, num_chunks=4000, num_embedded=3000, failures=failures,
        seconds={"parse": 10.0, "embed": 30.0}, began=100.0, ended=140.0,
    )  # fmt: skip
    return Report(tally=tally, num_found=1040, left_out=Counter({".png": 3}), elapsed_s=55.0)


def test_the_closing_tables_hold_counts_rates_shares_and_failures(capsys):
    print_report(report(), Console(width=100))
    words = capsys.readouterr().out
    for part in (
        "1,000", "1,040", "4,000", "100.0", "25.0%", "75.0%", "3 (.png 3)", "00[b].pdf",
        "broken [/x]", "and 5 more", "24[b].pdf",
    ):  # fmt: skip
        assert (part in words) == (part != "24[b].pdf"), part
    assert "not reached" in words


def test_the_report_is_json_with_every_failure():
    loaded = json.loads(json.dumps(report().as_json()))
    assert (loaded["num_found"], loaded["chunks_per_s"], len(loaded["failures"])) == (1040, 100, 25)
    assert loaded["shares"] == {
        "read": 0, "parse": 0.25, "chunk": 0, "embed": 0.75, "commit": 0,
    }  # fmt: skip


def test_a_report_of_nothing_divides_by_nothing(capsys):
    empty = Report(tally=Tally(), num_found=0, left_out=Counter(), elapsed_s=0.0)
    print_report(empty, Console())
    assert empty.chunks_per_s == 0
