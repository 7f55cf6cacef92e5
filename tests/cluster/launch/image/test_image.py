"""The Dockerfile's steps work on a bare Debian, and what they make serves as the image promises.

No Docker is needed, but root, mmdebstrap, a mirror of Debian and an index of packages:
`make test-image`. RAGFLEET_IMAGE_DIR says where the folders are made, 10 GB, and removed again.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from tests.cluster.launch.image.build import WITHOUT_CUDA, Builder
from tests.cluster.launch.image.container import Container, first_process, has_processes
from tests.cluster.launch.image.dockerfile_stages import DOCKERFILE, ROOT

pytestmark = [pytest.mark.image, pytest.mark.timeout(3600)]  # s; an installation from slow mirrors
NEEDED = ("mmdebstrap", "setpriv", "unshare", "nsenter", "ip")
# What the image's own Python runs: it loads a document and asks about it.
ASK = """
from openai import OpenAI
client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")
store = client.vector_stores.create(name="handbook")
with open("examples/handbook/documents.md", "rb") as file:
    made = client.files.create(file=file, purpose="assistants")
client.vector_stores.files.create_and_poll(made.id, vector_store_id=store.id)
question = {"role": "user", "content": "How large may a file be?"}
print(client.chat.completions.create(model="rag", messages=[question]).choices[0].message.content)
"""
# As Triton does with what it writes for a GPU.
COMPILE = """
import ctypes, pathlib, subprocess, sysconfig
made = pathlib.Path.home() / "made.so"
made.with_suffix(".c").write_text("#include <Python.h>\\nint made(void) { return 42; }\\n")
headers = sysconfig.get_path("include")
command = ["gcc", "-shared", "-fPIC", f"-I{headers}", made.with_suffix(".c"), "-o", made]
subprocess.run(command, check=True)
print(ctypes.CDLL(made).made())
"""
READY = """
import json, urllib.request
reply = json.load(urllib.request.urlopen("http://127.0.0.1:8000/readyz", timeout=9))
assert all(reply["checks"].values()), reply
print(*reply["checks"])
"""


@pytest.fixture(scope="session")
def builder():
    """Builds images below a folder that is removed, with nothing mounted in it, when tests end."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"not here: {', '.join(missing)}; apt-get install mmdebstrap util-linux iproute2"
        )
    if os.geteuid() != 0:
        pytest.skip("only root makes a Debian folder and mounts in it")
    folder = Path(
        tempfile.mkdtemp(prefix="ragfleet-image-", dir=os.environ.get("RAGFLEET_IMAGE_DIR"))
    )
    try:
        yield Builder(DOCKERFILE, ROOT, folder, instead=WITHOUT_CUDA)
    finally:
        while has_processes(folder):
            time.sleep(0.1)
        assert str(folder) not in Path("/proc/self/mountinfo").read_text()
        subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


def as_compose_runs(builder, name):
    """How Compose runs the image of a stage: its root read-only, a new volume, a /tmp in memory."""
    image = builder.image(name)
    hosts = builder.folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {os.uname().nodename}\n")
    compose = yaml.safe_load((DOCKERFILE.parent / "compose.yaml").read_text())
    config = compose["services"]["ragfleet"]
    mounts = [f"ro:{hosts}:/etc/hosts"]
    for target, options in (one.split(":") for one in config["tmpfs"]):
        mounts.append(f"tmpfs:{options}:{target}")
    for place in image.volumes:
        volume = builder.folder / f"volume-{name}"  # it takes over its folder's owner
        subprocess.run(["cp", "-a", image.root / place.lstrip("/"), volume], check=True)
        mounts.append(f"rw:{volume}:{place}")
    return Container(
        image.root, image.env, image.workdir, image.user, tuple(mounts), config["read_only"]
    )


@pytest.fixture(scope="session")
def service(builder):
    return as_compose_runs(builder, "cpu")


@pytest.fixture(scope="session")
def server(builder, service):
    """The image's command, once its health check is good and `/readyz` says that all models are.

    It is started again when it ends, as Compose does: Ray gives itself 30 s, which a busy machine
    may not have.
    """
    image = builder.image("cpu")
    checks = [image.healthcheck, ["python", "-c", READY]]
    with (builder.folder / "server.log").open("w+") as log:
        for _ in range(3):
            started = service.start(image.command, stdout=log, stderr=subprocess.STDOUT)
            try:
                if all(becomes_well(service, started, check) for check in checks):
                    yield started
                    return
            finally:
                started.kill()
                started.wait()
        log.seek(0)
        pytest.fail(log.read()[-6000:])


def becomes_well(service, started, check):
    """Repeats a command beside the server until it ends well, or the server ends."""
    deadline = time.monotonic() + 600  # s; models are assembled at the first start
    while started.poll() is None and time.monotonic() < deadline:
        try:
            service.run_beside(started, check)
        except (subprocess.CalledProcessError, ValueError):  # or there is no process 1 yet
            time.sleep(2)
        else:
            return True
    return False


def test_every_step_of_the_image_for_cpus_works(builder):
    image = builder.image("cpu")
    assert (image.root / "app/cluster.yaml").is_file()
    assert (image.root / "opt/venv/bin/serve").is_file()
    assert (image.root / "state").stat().st_uid == 1000


def test_the_root_is_read_only_and_the_volume_is_its_users(service):
    script = "touch /state/x /tmp/x && for one in / /app /opt/venv /var/tmp; do touch $one/x; done"
    told = service.run(["sh", "-c", f"id -u; {script} || true"])
    assert told.startswith("1000\n")
    assert told.count("Read-only file system") == 4


def test_the_server_is_ready_without_a_network(service, server):
    said = service.run_beside(server, ["python", "-c", READY]).split()
    assert {"generator", "embedder", "reranker", "retriever"} <= set(said)
    devices = service.run_beside(server, ["cat", "/proc/net/dev"]).splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]


def test_the_server_answers_from_a_document(service, server):
    assert "32 megabytes" in service.run_beside(server, ["python", "-c", ASK])


def test_the_server_ends_when_it_is_told_to_stop(server):
    os.kill(first_process(server), signal.SIGTERM)  # as `docker stop` and Kubernetes do
    server.wait(timeout=60)  # s; what Kubernetes gives is 30 by default


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "graphs.commands.check", "local.yaml", "cluster.yaml"],
        ["python", "-m", "cluster.plan", "cluster.yaml", "--nodes", "cluster/launch/nodes.yaml"],
        ["ray", "--version"],
        ["serve", "--help"],
    ],
)
def test_a_command_that_people_run_in_the_image_works(service, command):
    assert service.run(command)


def test_nothing_goes_on_when_whoever_started_it_is_killed(service):
    with service.start(["sh", "-c", "echo here; sleep 600"], stdout=subprocess.PIPE) as started:
        assert started.stdout.readline() == b"here\n"
        first = Path("/proc", str(first_process(started)))
        assert first.exists()
        started.kill()
        while first.exists():
            time.sleep(0.1)


def test_the_image_for_gpus_is_made_but_for_cuda_and_compiles_as_triton_does(builder):
    service = as_compose_runs(builder, "gpu")
    assert service.run(
        ["python", "-m", "graphs.commands.check", *builder.image("gpu").command[-1:]]
    )
    assert service.run(["python", "-c", COMPILE]) == "42\n"


def test_what_the_image_for_gpus_installs_fits_together(tmp_path):
    """uv reads what packages need without loading them, and does not look at pip's settings."""
    uv = shutil.which("uv", path=os.pathsep.join(f"{one}/bin" for one in sys.path))
    if uv is None:
        pytest.skip("`make test-launch` installs uv")
    platform = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]
    command = [uv, "pip", "compile", "pyproject.toml", "--extra", "gpu", "-c", "constraints.txt"]
    command += [*platform, "--no-cache", "--system-certs", "-o", tmp_path / "fits.txt"]
    ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "\nvllm==" in (tmp_path / "fits.txt").read_text()
