# Two commands for a fresh machine with Python 3.11+ and make:  make up   make test
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# Whatever the shell has: what is imported once is compiled once. The tools of developers are not compiled at install; pip
# compiles all of them on one core (a third of the time of `make test` before the tests), a fifth of it is imported.
export PYTHONDONTWRITEBYTECODE :=

# `make up` and `make test` at once on a fresh clone: two pips in one environment break it. The second waits, then finds
# everything installed. Python's flock, since not every machine has the command; it ends with its process, however that ends.
define ALONE
import fcntl, os, sys
lock = os.open("Makefile", os.O_RDWR)
os.set_inheritable(lock, True)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("another make is installing into .venv; waiting for it ...", flush=True)
    fcntl.flock(lock, fcntl.LOCK_EX)
os.execvp(sys.argv[1], sys.argv[1:])
endef
export ALONE
export NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 ...")

ifndef INSTALLING
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c "$$ALONE" $(MAKE) --silent --no-print-directory INSTALLING=1 $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@$(PYTHON) -c "$$ALONE" $(MAKE) --silent --no-print-directory INSTALLING=1 $@
else
# The lock files decide versions, and hashes are checked. Compiled at install: importing dagster takes 0.9 s with bytecode
# and 2.9 s without, and PYTHONDONTWRITEBYTECODE may be set where `fleexmon` is started. Not the tests of the packages.
.venv/installed: requirements.lock pyproject.toml
	@echo "installing the locked packages into .venv (once; a minute or so) ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(PYTHON) -c "$$NEW_ENOUGH" && $(PYTHON) -m venv .venv; }
	@$(PIP) --require-hashes --no-deps -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@echo "compiling them (a minute or so on one core) ..."
	@$(BIN)/python -m compileall -q -j 0 -x '/tests/' .venv/lib fleexmon_pipeline
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@echo "installing development tools into .venv (once) ..."
	@$(PIP) --require-hashes --no-deps -r requirements-dev.lock
	@touch $@
endif

up: .venv/installed  ## start everything: UI on 127.0.0.1:3000, schedules, demo nodes where no node is set
	@exec $(BIN)/fleexmon up

check: lint types  ## check lint, format and types

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

# The types beside the tests: mypy takes a minute of one core. Three workers for two cores, since tests wait for processes,
# sensors and browsers: the cores are 93 % busy. With four, the tests took no less time (a run each).
test: lint sbom  ## run everything that CI runs: lint, types, bill of materials, tests
	@$(MAKE) --no-print-directory --jobs 2 types suite

suite: .venv/installed-dev
	$(BIN)/python -m pytest -n 3 --dist loadfile

sbom: .venv/installed-dev  ## write the bill of materials of requirements.lock: build/sbom.json (CycloneDX)
	$(BIN)/python -m fleexmon_pipeline_tests.bill_of_materials build/sbom.json

fuzz: .venv/installed-dev  ## give decoder, reader, redactor, escapers and marks any input, a minute each
	$(BIN)/python -m fleexmon_pipeline_tests.fuzz --seconds 60

bench: .venv/installed-dev  ## run the benchmarks: collection against COPY, patterns, a tick, a backfill, public series
	$(BIN)/python -m fleexmon_pipeline_tests.bench

soak: .venv/installed-dev  ## simulate 24 hours of faults and check that no line is lost or stored twice (15 minutes)
	$(BIN)/python -m fleexmon_pipeline_tests.soak simulate

chaos: .venv/installed-dev  ## break one thing at a time and see what holds afterwards (10 minutes); the report: build/chaos.md
	$(BIN)/python -m pytest -m "chaos or not chaos" -n 2 fleexmon_pipeline_tests/chaos

lock: .venv/installed-dev  ## resolve dependencies again after changing them
	$(PIP) uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --group build -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --group dev -c requirements.lock -o requirements-dev.lock

clean:  ## remove build artifacts; never .fleexmon, which holds data
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

.PHONY: help up check lint types test suite sbom fuzz bench soak chaos lock clean
