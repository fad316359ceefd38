# Needs Python 3.11 or later, make, git, and a Python package index reached by pip. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

BIN := .venv/bin
SOURCES := $(shell find generator -name '*.py')
PYTHONS := python3.13 python3.12 python3.11 python3
ARGS ?=
CLUSTER ?= examples/zero-trust

# Nothing here may depend on the caller's Python settings, or ask anything.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo up down tools test cluster proof check lint arch types goldens docs schemas scan bench package locks clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: .venv/.compiled ## make .venv with everything that developing needs; others do it when it is missing

demo: setup ## render the production example into .demo, and show what came out
	@mkdir -p .demo
	@$(BIN)/ringfence render examples/production/cluster.yaml -o .demo/rendered 2> .demo/summary || { cat .demo/summary >&2; exit 1; }
	@for folder in .demo/rendered/*/; do find "$$folder" -type f | sort | sed -n '1,4p'; done
	@echo "... $$(find .demo/rendered -type f | wc -l | tr -d ' ') files below .demo/rendered"; echo
	@cat .demo/summary

up: setup ## a control plane on loopback, pulumi up on it, and the proof of its controls; builds what is missing (25 minutes once)
	@$(BIN)/python tools/up.py $(CLUSTER)

down: setup ## end what make up started
	@$(BIN)/python tools/up.py --down $(CLUSTER)

tools: setup ## build the test rig's programs that are not on PATH; needs Go, 30 minutes once
	@$(BIN)/python tools/build.py >/dev/null
	@$(BIN)/python tools/build.py --list

test: setup .venv-scan/.ready ## run every test that this machine can run and say which it can't (make tools); ARGS="-k name" picks some
	$(BIN)/python -m pytest -n auto $(ARGS)

cluster: setup ## only the tests on a real control plane, with what make tools built
	$(BIN)/python -m pytest tests/cluster -n auto $(ARGS)

proof: setup ## docs/proof.md: what the tests on a real control plane showed of every control
	rm -rf .proof
	$(MAKE) cluster
	$(BIN)/python tools/proof.py

check: lint types arch test ## everything that CI runs

lint: setup arch ## ruff, its formatter, yamllint, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/yamllint --strict .*.yaml profiles templates examples

arch: setup ## the dependency rule between modules
	$(BIN)/lint-imports

types: setup ## mypy, strict
	$(BIN)/mypy

goldens: docs ## rewrite every expected output; read the diff before committing it
	$(BIN)/ringfence render --update-lock examples
	RINGFENCE_UPDATE_GOLDENS=1 $(BIN)/python -m pytest -n auto -q $$(grep -rlwE 'golden|UPDATE' tests --include='test_*.py')

docs: setup ## regenerate docs/schema and docs/controls.md
	$(BIN)/python tools/docs.py

schemas: setup ## derive the Kubernetes schemas again; CRDS=folder takes custom kinds from there
	$(BIN)/python tools/schemas.py $(if $(CRDS),--crds $(CRDS))

scan: setup .venv-scan/.ready ## what independent scanners say about the examples
	$(BIN)/python -m pytest tests/scan $(ARGS)

bench: setup .venv-bench/.ready .venv-bench-kapitan/.ready ## measure ringfence and its peers
	$(BIN)/python benchmarks/run.py $(ARGS)

package: setup ## wheel and sdist into dist/
	rm -rf dist
	$(BIN)/hatchling build

locks: setup ## resolve every requirements*.lock again; ARGS=--upgrade takes newer releases
	$(call resolve,requirements.lock,pyproject.toml --extra cluster --extra pulumi --extra scaffold --group dev)
	$(call resolve,requirements-scan.lock,--group scan)
	$(call resolve,requirements-bench.lock,--group bench)
	$(call resolve,requirements-bench-kapitan.lock,--group bench-kapitan)
	echo uv | $(call resolve,requirements-uv.lock,-)

clean: ## remove everything that is not committed source
	rm -rf .venv .venv-scan .venv-bench .venv-bench-kapitan .demo .up dist .cache
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# No index address and no path of this machine gets into a lock, so any mirror serves it.
resolve = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(ARGS) $(2) -o $(1)

# ---------------------------------------------------------------------------------------------- environments

# uv has a configuration of its own: it takes the index that pip was told to use, unless told another.
install = index="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null || true)}}"; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	$(BIN)/uv pip install --quiet --python $(1)/bin/python

.venv/.locked: requirements.lock requirements-uv.lock
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "error: no Python 3.11 or later among: $(or $(PYTHON),$(PYTHONS)); install one, or name yours: make setup PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "error: $$found can't make virtual environments; install its venv module (on Debian: python3-venv)" >&2; exit 1; \
	fi; \
	echo "setting up .venv with $$("$$found" --version)" >&2; \
	"$$found" -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	@$(call install,.venv) --require-hashes --compile-bytecode -r requirements.lock
	@touch $@

.venv/.ready: .venv/.locked pyproject.toml
	@$(call install,.venv) --no-deps --no-build-isolation --editable .
	@touch $@

# Python may be told to write no bytecode, and would then compile at every start.
.venv/.compiled: .venv/.ready $(SOURCES)
	@$(BIN)/python -m compileall -q generator
	@touch $@

# Tools that are called as commands and must not share ringfence's own dependencies.
.venv-scan/.ready .venv-bench/.ready .venv-bench-kapitan/.ready: .venv-%/.ready: requirements-%.lock .venv/.locked
	@echo "setting up .venv-$*" >&2
	@$(BIN)/python -m venv --clear --without-pip .venv-$*
	@$(call install,.venv-$*) --require-hashes --compile-bytecode -r requirements-$*.lock
	@touch $@
