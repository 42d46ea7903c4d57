# Everything that is done to this project by hand or by CI. `make` alone lists the targets.
# Needs git, make and Python 3.11 or newer; the rest is installed into .venv with checked hashes.

VENV := .venv
BIN := $(VENV)/bin
# The tools that audit stay away from what they judge, and from what the tests run on.
AUDIT := $(VENV)/audit

# The first Python that runs and is new enough; `make PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$python; break; fi; done)

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL := $(PIP_INSTALL) --require-hashes --requirement
PYTEST := $(BIN)/python -m pytest -n auto --dist loadgroup
# What one suite needs that is too large for all.
NEEDS_spark := $(VENV)/.spark
NEEDS_history_how_to := $(VENV)/.readers
# SDKs written for Node, which the end-to-end tests talk through where Node is found.
CLIENTS := tests/e2e/clients
COMPILE := uv pip compile --quiet pyproject.toml --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

# Material for MkDocs recommends another builder on every run; docs/decisions/0001 says what we do.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check suites audit bench docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/.runtime ## start Kept on the example brand, with a simulated customer base
	@$(BIN)/kept demo

test: $(VENV)/.suites $(VENV)/.clients ## run the tests; those that need Node or Chromium run where these are found
	@$(PYTEST) -m "not slow"

check: $(VENV)/.suites ## check format, lint, types, imports, docs and the house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict
	$(BIN)/python -m pytest --quiet tests/test_tidy.py tests/test_docs.py

suites: $(VENV)/.suites $(VENV)/.clients $(or $(NEEDS_$(SUITE)),$(if $(SUITE),,$(NEEDS_spark) $(NEEDS_history_how_to))) ## run the slow suites (all, or SUITE=name for tests/suites/test_name.py)
	@$(PYTEST) -m slow $(if $(SUITE),tests/suites/test_$(SUITE).py)

audit: $(AUDIT)/.made ## ask for known weaknesses of what is locked, and follow requests through our own code
	@$(AUDIT)/bin/semgrep scan --quiet --error --metrics=off --disable-version-check --config .ci/semgrep.yaml src
	@$(AUDIT)/bin/python .ci/audit.py requirements/*.txt

bench: $(VENV)/.bench ## measure Kept beside its rivals and write bench/latest.json
	@$(BIN)/python -m bench

docs: $(VENV)/.dev ## build the documentation into site/
	@$(BIN)/mkdocs build --strict

lock: ## pin the newest versions that fit pyproject.toml, with hashes (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/"; exit 1; }
	@all=$$(mktemp) && trap 'rm -f '$$all EXIT && \
	$(COMPILE) --upgrade --group build --group dev --group bench --group suites --group readers --extra spark -o $$all >/dev/null && \
	lock() { $(COMPILE) --generate-hashes --constraint $$all -o requirements/$$1.txt --upgrade $$2; } && \
	lock runtime "--group build" && \
	lock dev "--group build --group dev" && \
	lock bench "--group build --group bench" && \
	lock suites "--group build --group dev --group suites" && \
	lock spark "--group build --extra spark" && \
	lock readers "--group build --group readers" && \
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
	--no-emit-find-links --generate-hashes --upgrade --group audit -o requirements/audit.txt

clean: ## remove everything that make has made
	rm -rf $(VENV) $(CLIENTS)/node_modules site .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# A stamp for each set of packages: made once, made again when its lock changes.
$(VENV)/.created:
	@if [ -z "$(PYTHON)" ]; then echo "Kept needs Python 3.11 or newer, and none of python3.13," \
	"python3.12, python3.11 and python3 is. Install one, or run: make PYTHON=/path/to/python"; exit 1; fi
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(VENV)/.created
	@echo "Installing what Kept needs (once)"
	@$(INSTALL) requirements/runtime.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what the tests and checks need (once)"
	@$(INSTALL) requirements/dev.txt
	@touch $@

$(VENV)/.suites: requirements/suites.txt $(VENV)/.dev
	@echo "Installing the SDKs that the tests talk through (once)"
	@$(INSTALL) requirements/suites.txt
	@touch $@

# Large, and of no use without Java, which is why only the suite that needs it installs it.
$(VENV)/.spark: requirements/spark.txt $(VENV)/.suites
	@if ! command -v java >/dev/null; then echo "Java is not found: the tests that need Spark will be skipped"; \
	else echo "Installing Spark (once)" && $(INSTALL) requirements/spark.txt && touch $@; fi

$(VENV)/.readers: requirements/readers.txt $(VENV)/.suites
	@echo "Installing pandas and Polars (once)"
	@$(INSTALL) requirements/readers.txt
	@touch $@

# Not stamped where it cannot be done, so that a Node installed later is noticed.
$(VENV)/.clients: $(wildcard $(CLIENTS)/package-lock.json) $(VENV)/.created
	@if [ ! -f $(CLIENTS)/package-lock.json ]; then touch $@; \
	elif ! command -v npm >/dev/null; then echo "npm is not found: the tests that need Node will be skipped"; \
	else echo "Installing the Node SDKs that the tests talk through (once)" && \
	npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --loglevel error && touch $@; fi

$(AUDIT)/.made: requirements/audit.txt $(VENV)/.created
	@echo "Installing what audits (once, in an environment of its own)"
	@$(BIN)/python -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/audit.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.runtime
	@echo "Installing the rivals that the benchmark runs beside Kept (once)"
	@$(INSTALL) requirements/bench.txt
	@touch $@
