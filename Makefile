# Everything happens inside this folder: packages go to .venv, nothing else of the machine is touched. One exception:
# PostgreSQL refuses root, so for root an account 'pgserver' is made and let through the folders above this one.
.DEFAULT_GOAL := help
.PHONY: help demo known-target psql test check static docs bench test-matrix clean
SHELL := /bin/bash

# The first Python from 3.10 to 3.13 (the versions with pins) that can also build an environment.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$name" -c '$(FITS)' >/dev/null 2>&1 && { echo "$$name"; break; }; done)

BIN := .venv/bin
LOG := .venv/install.log
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
# On Linux PyPI's build of torch brings CUDA packages; TORCH_INDEX=<url of an index with CPU builds> avoids them.
TORCH_INDEX ?=
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --no-input -q
MATRIX ?=
PYTEST ?=
# FULL=1: what benchmarks/results holds; BENCH='pairs knn': only these.
FULL ?=
BENCH ?=

# What `make demo` runs on, and the set of packages that it takes.
TARGET ?= duckdb
TARGETS := duckdb pgvector
DEMO := .venv/.demo$(if $(filter pgvector,$(TARGET)),-pgvector)

export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1
export TARGET CSV KEY TEXT QUERY THRESHOLD SQL

help:  ## show this list
	@echo "samespace: make <target>"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1	\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo
	@echo "  make demo CSV=<file.csv|parquet> KEY=<column> TEXT=<column>    the demo on your own file"
	@echo "       ... QUERY='what to search for' THRESHOLD=0.85                   (both optional)"
	@echo "  make demo TARGET=pgvector ...                                  the same on an embedded PostgreSQL 16"
	@echo "  make test PYTEST='-k search'                                   arguments for pytest"
	@echo "  make bench BENCH='pairs knn'                                   some of the benchmarks"

demo: known-target $(DEMO)  ## embed, search, deduplicate and cluster the demo's tickets, or your own file
	@$(BIN)/python -m samespace.demo

known-target:
	@test -n "$(filter $(TARGET),$(TARGETS))" || { echo "samespace: there is no TARGET '$(TARGET)'; the demo knows $(TARGETS)." >&2; exit 1; }

psql: .venv/.demo-pgvector  ## SQL on what `make demo TARGET=pgvector` built: a prompt, or SQL="select ..."
	@$(BIN)/python -m samespace.demo.postgres

test: static  ## all checks, then all tests (no database server, no download of models)
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST)

check: static  ## lint, types, dbt parse, generated docs, import layers, repo shape
	@$(BIN)/python -m pytest -q tests/unit/test_layers.py tests/unit/test_repo_shape.py

static: .venv/.dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/dbt --quiet --warn-error parse --no-partial-parse --profiles-dir .
	@$(BIN)/python docs/generate.py --check

docs: .venv/.dev  ## write docs/macros.md and docs/support.md from the macros
	@$(BIN)/python docs/generate.py

bench: .venv/.bench  ## a small version of every benchmark, one table of ratios (FULL=1: all sizes, hours)
	@$(BIN)/python benchmarks/run_all.py $(if $(filter 1,$(FULL)),--full) $(BENCH)

test-matrix: .venv/.dev  ## the consumer project on other versions of dbt, DuckDB and PostgreSQL (long)
	@$(BIN)/python tests/matrix.py $(MATRIX)

clean:  ## remove what make and dbt created
	@rm -rf .venv .matrix .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist target logs dbt_packages
	@test ! -e .demo/postgres/postmaster.pid || $(BIN)/python -m samespace.demo.postgres true
	@rm -rf .demo python/*.egg-info demo.duckdb demo.duckdb.wal .demo
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "samespace needs Python 3.10 to 3.13 with its venv module: install one, or name it with PYTHON=/path/to/python3." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear .venv || { echo "samespace: $(PYTHON) could not create .venv here; the lines above say why." >&2; exit 1; }

# A stamp per set of packages: its second run is a comparison of file dates.
.venv/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing pinned packages into .venv (once, a few minutes) ..."
	@{ test -z "$(TORCH_INDEX)" || $(BIN)/python -c 'import torch' 2>/dev/null \
		|| $(PIP) --no-deps --extra-index-url "$(TORCH_INDEX)" '$(TORCH)'; } >$(LOG) 2>&1
	@$(PIP) -e '.[$*]' >>$(LOG) 2>&1 || { tail -n 20 $(LOG); \
		echo "samespace: the packages could not be installed; all of pip's output is in $(LOG)." >&2; exit 1; }
	@touch $@
