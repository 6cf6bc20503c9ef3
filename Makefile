# `make run` trains a first model, `make test` runs the tests; both install what they need.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROJECTS := pyproject.toml plugins/editable.txt $(wildcard plugins/*/pyproject.toml)

.PHONY: help run test test-slow test-alone install lint audit docs docs-quick benchmark clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(STAMP)  ## Train MegNet on Materials Project crystals and write a report.
	$(BIN)/matsciml run --dataset mp --encoder megnet

test: $(STAMP)  ## Run the tests, but for the slow ones.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadscope

test-slow: $(STAMP)  ## Run the slow tests.
	$(BIN)/python -m pytest -m slow

test-alone:  ## Test each plugin, or PLUGINS="...", with the core and its requirements only; slow.
	$(PYTHON) .ci/test_alone.py $(PLUGINS)

install: $(STAMP)  ## Create .venv with the core and all plugins, editable, from pinned versions.

lint: $(STAMP)  ## Check style, types and layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(STAMP)  ## Look up known vulnerabilities of what is pinned; needs the network, else says so.
	$(BIN)/python .ci/audit.py

docs: $(STAMP)  ## Build the documentation; its tutorials are executed, warnings are errors.
	$(BIN)/python -m sphinx -W --keep-going -j 2 -b html docs docs/_build/html

docs-quick: export MATSCIML_DOCS = quick
docs-quick: docs  ## The same without executing the pages that train for long.

benchmark: $(STAMP)  ## Measure start-up, data path and training beside the usual ways.
	$(BIN)/python benchmarks/startup.py --check
	$(BIN)/python benchmarks/data_path.py --check
	$(BIN)/python benchmarks/encoders.py --preset default --preset mp2018

clean:  ## Remove the environment and what was built; runs are kept.
	rm -rf $(VENV) docs/_build build dist

# Reinstalled only when a requirement changed. torch comes first, alone: its pin in
# constraints.txt keeps other packages from pulling another build. What builds the packages comes
# before them: built in environments of their own they would take whatever is newest, not what is
# pinned, and twice as long.
$(STAMP): constraints.txt $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "MatSciML needs Python 3.11 or later; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip --constraint constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation \
	  --editable ".[test,lint,docs,ray]" --requirement plugins/editable.txt
	@touch $@
