# Two commands for a fresh machine with Python 3.11+ and make:  make demo   make test
# A `.venv` is made once; the package is installed again only when pyproject.toml changes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS   ?= auto
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint format size bench clean

help:
	@echo "make demo     train on house prices and on handwritten digits (about a minute)"
	@echo "make test     the whole test suite, once in each back end"
	@echo "make lint     format check, linter, types"
	@echo "make format   let the formatter and the linter mend what they can"
	@echo "make size     lines of code by folder, tokens a line"
	@echo "make bench    the benchmarks, beside their peers (about 20 minutes)"
	@echo "make clean    remove the environment and every cache"

demo: $(VENV)/.installed
	@$(BIN)/deltarule demo $(ARGS)

# Both back ends run even when the first one fails; the exit code tells of either.
test: $(VENV)/.installed-test
	@status=0; \
	for backend in llvm numpy; do \
	    echo "== tests, DELTARULE_BACKEND=$$backend"; \
	    DELTARULE_BACKEND=$$backend $(BIN)/python -m pytest -q -n $(JOBS) $(ARGS) || status=1; \
	done; \
	exit $$status

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

size: $(VENV)/.installed
	@$(BIN)/python benchmarks/size.py

bench: $(VENV)/.installed-bench
	@for script in steps functions first_call growth nodes tracing science import_time digits houses; do \
	    echo "== $$script"; $(BIN)/python benchmarks/$$script.py || exit 1; done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	    echo "$(PYTHON) not found. Install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..."; \
	    exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "deltarule needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1 | cut -d" " -f2)." ; \
	    echo "Name a newer one: make PYTHON=python3.12 ..."; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make environments. On Debian or Ubuntu: apt install python3-venv"; \
	    exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Peers are optional: without them deltarule is measured alone, and the tables say who is missing.
$(VENV)/.installed-bench: pyproject.toml | $(VENV)/.installed
	@echo "installing the peers of the benchmarks into $(VENV)"
	@$(PIP) install --editable '.[bench]' || echo "some peers could not be installed; they are left out"
	@touch $@ $(VENV)/.installed

# A stamp a kind of install; each is older than pyproject.toml only when that file has changed.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing deltarule into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "installing deltarule[$*] into $(VENV)"
	@$(PIP) install --editable '.[$*]'
	@touch $@ $(VENV)/.installed
