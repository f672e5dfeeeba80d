# Everything runs from .venv; nothing global is touched but, as root, the Debian packages of the live tests.
PYTHON ?= python3
JOBS ?= 2
EXAMPLES ?= 5000
KILLS ?= 60

BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-lowest soak bench coverage lint types format docs docs-check wheel clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(INSTALLED) ## give a copy of examples/infra its private registry
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh

test: $(INSTALLED) ## all tests; the live ones need Debian packages, installed when root
	@sh tests/live/install-packages.sh
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-fast: $(INSTALLED) ## all tests but the live ones
	$(BIN)/pytest -n $(JOBS) -m "not live"

test-lowest: ## the tests with the lowest versions that pyproject.toml allows
	PYTHON=$(PYTHON) bash tests/lower_bounds.sh

soak: $(INSTALLED) ## EXAMPLES (5000) random inputs for each property, KILLS (60) cut roll-outs, 200 random registries
	CODEMOD_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n $(JOBS) -m "not live"
	CODEMOD_KILLS=$(KILLS) $(BIN)/pytest -s tests/live/test_sync_vm_kill.py
	CODEMOD_REGISTRIES=200 CODEMOD_KILLS=$(KILLS) $(BIN)/pytest -n $(JOBS) tests/live/test_collector.py

bench: $(INSTALLED) ## side by side with other tools: writes benchmarks/RESULTS.md; an hour or so
	$(BIN)/python -m benchmarks

coverage: $(INSTALLED) ## which lines the tests reach
	$(BIN)/coverage run -m pytest -m "not live"
	$(BIN)/coverage report

lint: $(INSTALLED) ## ruff, both parts
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED) ## mypy --strict
	$(BIN)/mypy

format: $(INSTALLED) ## let ruff rewrite
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED) ## write docs/rules.md from the rules
	$(BIN)/python docs/generate.py

docs-check: $(INSTALLED) ## is docs/rules.md what the rules say?
	@$(BIN)/python docs/generate.py --check

wheel: $(INSTALLED) ## build the wheel into dist/
	$(BIN)/pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove what the tools leave behind; .venv stays
	rm -rf build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find codemods hooks tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml | $(BIN)/pip
	$(BIN)/pip --disable-pip-version-check install --quiet --editable '.[dev]'
	@touch $@

# Debian keeps ensurepip, and with it a working venv, in a package of its own.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "needs Python 3.11 or newer; name one with: make PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/live/install-packages.sh python3-venv
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make a virtual environment; first: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
