# Each target does its own set-up: nothing but git, make and Python 3.11+ need be there.
# Another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
VENV := .venv# the package, its tests, linters and docs
PLAIN := .venv-plain# the package alone, as a user installs it
ENGINES := .venv-engines# the package, its tests, and the engines of others that it runs on
BENCH := .venv-bench# the package beside other libraries that run functions in parallel

# An environment belongs to one interpreter in one place, and an installation to one version and
# one pyproject.toml. The names of the stamps tell the first two; make compares dates for the last.
KEY := $(shell $(PYTHON) -c "import os, sys, zlib; print('%d.%d.%d-%08x' % (sys.version_info[:3] \
    + (zlib.crc32(repr((sys.version, sys.base_prefix, os.getcwd())).encode()),)))" 2>/dev/null)
RELEASE := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/taskpar/__init__.py 2>/dev/null)
INSTALLED := .installed-$(RELEASE)
PIP := bin/python -m pip --disable-pip-version-check install --quiet --editable

# Workers are new interpreters, thousands of them in the tests: where this is set, as in many
# containers, each would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint test-all test-engines docs bench bench-quick faults-table chaos clean
.NOTPARALLEL: # two installations into one environment would trip over each other

help:
	@echo "make demo      the examples on real input, on every executor"
	@echo "make test      the tests"
	@echo "make lint      ruff, mypy, pyright"
	@echo "make test-all  all tests, the long ones too, and the docs"
	@echo "make test-engines  the laws on the engines of others: Dask, Ray, MPI, loky"
	@echo "make docs      the docs, into site/"
	@echo "make bench     how fast, beside other libraries, in 15 minutes"
	@echo "make bench-quick  the same in 3 minutes"
	@echo "make faults-table  which of eight calls survive a fault, here and with other libraries"
	@echo "make chaos     random maps under random faults, for ten minutes"
	@echo "make clean     remove what was made"

demo: $(PLAIN)/$(INSTALLED)
	$(PLAIN)/bin/python examples/demo.py

# Two files at a time: most tests wait for processes, and a loaded machine is what they are for.
SIDE_BY_SIDE := --numprocesses=2 --dist=loadfile

test: $(VENV)/$(INSTALLED)-test
	$(VENV)/bin/pytest -q -m "not slow" $(SIDE_BY_SIDE)

lint: $(VENV)/$(INSTALLED)-lint
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy --strict
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

# The long profile draws many more examples a test, hence the longer time for each.
test-all: $(VENV)/$(INSTALLED)-test docs
	HYPOTHESIS_PROFILE=thorough $(VENV)/bin/pytest -q --timeout=900 $(SIDE_BY_SIDE)

LAWS := $(ENGINES)/bin/pytest -q -m "not slow" tests/laws

# Engines of others start clusters of their own, on two workers each: one after the other.
test-engines: $(ENGINES)/$(INSTALLED)
	for engine in futures-threads futures-processes loky dask ray; do \
	    TASKPAR_TEST_ENGINES=$$engine $(LAWS) -k $$engine || exit 1; done
	PYTHONPATH=tests TASKPAR_TEST_ENGINES=mpi $(ENGINES)/bin/mpiexec -n 3 \
	    $(ENGINES)/bin/python -m mpi4py.futures -m pytest -q -m "not slow" tests/laws -k mpi
	$(ENGINES)/bin/pytest -q tests/engines

docs: $(VENV)/$(INSTALLED)-docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

bench: $(BENCH)/$(INSTALLED)
	cd benchmarks && ../$(BENCH)/bin/python -m bench $(ARGS)

bench-quick: $(BENCH)/$(INSTALLED)
	cd benchmarks && ../$(BENCH)/bin/python -m bench --quick $(ARGS)

faults-table: $(BENCH)/$(INSTALLED)
	$(BENCH)/bin/python benchmarks/faults_table.py $(ARGS)

chaos: $(VENV)/$(INSTALLED)-test
	cd benchmarks && ../$(VENV)/bin/python -m chaos $(ARGS)

clean:
	rm -rf $(VENV) $(PLAIN) $(ENGINES) $(BENCH) dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(foreach venv,$(VENV) $(PLAIN) $(ENGINES) $(BENCH),$(venv)/.python-$(KEY)): %/.python-$(KEY):
	@command -v $(PYTHON) >/dev/null || { \
	    echo "There is no '$(PYTHON)' here. Name a Python 3.11+: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'taskpar needs Python 3.11 or \
	newer; %s is %d.%d. Name another: make PYTHON=python3.12' % ((sys.executable,) + sys.version_info[:2]))"
	$(PYTHON) -m venv --clear $*
	@touch $@

$(PLAIN)/$(INSTALLED): pyproject.toml $(PLAIN)/.python-$(KEY)
	$(PLAIN)/$(PIP) .
	@touch $@

$(ENGINES)/$(INSTALLED): pyproject.toml $(ENGINES)/.python-$(KEY)
	$(ENGINES)/$(PIP) ".[test,engines]"
	@touch $@

$(BENCH)/$(INSTALLED): pyproject.toml $(BENCH)/.python-$(KEY)
	$(BENCH)/$(PIP) ".[bench]"
	@touch $@

$(VENV)/$(INSTALLED)-test $(VENV)/$(INSTALLED)-lint $(VENV)/$(INSTALLED)-docs: \
$(VENV)/$(INSTALLED)-%: pyproject.toml $(VENV)/.python-$(KEY)
	$(VENV)/$(PIP) ".[$*]"
	@touch $@
