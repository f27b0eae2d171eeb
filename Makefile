# Every target sets up what it needs on a fresh checkout: only Python 3.11+ and make are required.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Where an image forbids bytecode, six processes would each rewrite every assert anew, and every start would compile.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test test-fast check bench bench-desk prove prove-night prove-quick screenshots openapi lock clean

help:           ## what can be done here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

.setup-run: $(BIN)/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.setup-dev: .setup-run requirements-dev.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

setup: .setup-dev  ## install everything into .venv

demo: .setup-run   ## a campaign of 1,000 people through a sandbox gateway, start to report
	$(BIN)/python -m scheduler.demo

test: .setup-dev   ## every kind of test, on real Redis and PostgreSQL servers that the tests start
	$(BIN)/python -m pytest -n 6 -m "not proof"

test-fast: .setup-dev  ## rules, store, throttle and protocol, without servers and long cases
	$(BIN)/python -m pytest -n 2 -m "not long and not proof" -k "not postgres and not redis" \
		tests/campaigns tests/store tests/worker/throttle tests/protocol

check: .setup-dev  ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --verbose

bench: .setup-dev  ## what it costs, as ratios within one run
	$(BIN)/python -m tests.bench

bench-desk: .setup-dev  ## what the desk costs with 10 million recipients stored, on both databases: half an hour, 25 GB
	$(BIN)/python -m tests.bench.desk

prove-quick: .setup-dev  ## another case of what `test` has, of each test with several: five minutes
	$(BIN)/python -m pytest -n 4 -m proof --one-proof-of-each

prove: .setup-dev  ## what is not proved yet on this version, until all of it is: a night and more; goes on after Ctrl-C
	$(BIN)/python -m tests.prove.record.running

prove-night: .setup-dev  ## the same, as far as eight hours go
	$(BIN)/python -m tests.prove.record.running --hours 8

screenshots: .setup-dev  ## take the pictures of the guide to the desk anew, in Chromium
	$(BIN)/python -m tests.scheduler.web.desk.screenshots

openapi: .setup-run  ## write the document of the API anew, from its routes
	$(BIN)/python -m scheduler.web.api

lock: $(BIN)/python  ## resolve the pins again (names no host; pip checks the hashes)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--group build --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean:          ## remove what the targets above made
	rm -rf $(VENV) .setup-run .setup-dev .pytest_cache .mypy_cache .ruff_cache demo-output
