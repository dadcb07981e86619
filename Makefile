# Needs python3 >= 3.11, make and PyPI. `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# the first interpreter that is new enough, unless PYTHON is given
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
STAMP := $(VENV)/.installed
STAMP_DEV := $(VENV)/.installed-dev
SOURCES := schemas processors sinks streams replay web deploy benchmarks tests
DEMO_ARGS ?=
BENCH_ARGS ?=
PEERS := confluent faust quix bytewax
PYTEST_ARGS ?=

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "python3 >= 3.11 is needed" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) can't make a virtual environment: install its venv package" >&2; exit 1; }

$(STAMP): pyproject.toml deploy/constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt --editable .
	@touch $@

$(STAMP_DEV): pyproject.toml deploy/constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt --editable '.[dev]'
	@touch $(STAMP) $@

.PHONY: setup
setup: $(STAMP) ## make .venv with .venv/bin/zhengdian
	@:

.PHONY: setup-dev
setup-dev: $(STAMP_DEV) ## the same with what tests and checks need
	@:

.PHONY: demo
demo: setup ## the whole product on http://127.0.0.1:8080; options in DEMO_ARGS
	@exec $(BIN)/zhengdian demo $(DEMO_ARGS)

.PHONY: test
test: setup-dev ## all tests but the fault suite; options in PYTEST_ARGS, such as --broker tansu
	@$(BIN)/python -m pytest -m "not faults" $(PYTEST_ARGS)

.PHONY: test-faults
test-faults: setup-dev ## faults injected into real processes, nothing lost; options in PYTEST_ARGS
	@$(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)

.PHONY: test-unit
test-unit: setup-dev ## the quick tests: no processes, no browser
	@$(BIN)/python -m pytest -m "not slow and not stack and not browser" $(PYTEST_ARGS)

.PHONY: lint
lint: setup-dev ## ruff, mypy --strict and the layers
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

.PHONY: format
format: setup-dev ## let ruff write the code's layout
	$(BIN)/ruff check --fix --select I $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

.PHONY: compile
compile: setup ## compile the pure core with mypyc, for the same results with less CPU; needs a C compiler
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt --editable '.[compile]'
	@$(BIN)/python -m deploy.compiling

.PHONY: interpret
interpret: ## take the compiled core away
	rm -f processors/*.so

.PHONY: bench
bench: setup-dev bench-peers-setup ## measure speed, delay, recovery and growth on this machine, into bench-report/ (options in BENCH_ARGS)
	@$(BIN)/python -m benchmarks --report bench-report $(BENCH_ARGS)

# a failing one is said and left out: Bytewax has wheels for Python 3.8 to 3.12 alone
.PHONY: bench-peers-setup
bench-peers-setup: setup ## make .venv-peers/: the other tools, each in an environment of its own
	@for peer in $(PEERS); do \
		$(BIN)/python -m venv .venv-peers/$$peer && .venv-peers/$$peer/bin/python -m pip install --quiet \
			--disable-pip-version-check --requirement benchmarks/peers/requirements-$$peer.txt \
			|| { echo "$$peer can't be installed and is left out" >&2; rm -rf .venv-peers/$$peer; }; \
	done

.PHONY: bench-peers
bench-peers: setup ## our worker beside other tools, those that bench-peers-setup has installed
	@$(BIN)/python -m benchmarks.peers.run $(BENCH_ARGS)

.PHONY: screenshots
screenshots: setup-dev ## every page at every size into screenshots/, the best into docs/images; needs Chromium
	@PYTHONPATH=.:tests $(BIN)/python tests/browser/screenshots.py

.PHONY: schemas
schemas: setup ## write docs/schemas from the models
	@$(BIN)/zhengdian schemas export docs/schemas

.PHONY: docs
docs: setup ## write the generated tables of docs/operations.md
	@$(BIN)/python -m deploy.docs

.PHONY: clean
clean: ## remove .venv, caches and local data
	rm -rf $(VENV) .venv-peers bench-report .zhengdian .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
