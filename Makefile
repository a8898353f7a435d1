# One recipe per habit; CI calls the same ones. `make` alone prints this list.
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8080
KAFKA_PORT ?= 9092
DATA ?= .data
MINUTES ?= 60
WORKERS ?= 2
BIN := .venv/bin

.PHONY: help up kafka test quick failures endure check bench load docs models conformance lock clean
help: ## print the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

.venv/run.stamp: requirements/run.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.lock
	@touch $@

up: .venv/run.stamp ## start the platform with its demo city: make up PORT=8123 DATA=/some/folder
	@exec $(BIN)/smartflanders up --port $(PORT) --data $(DATA)

kafka: .venv/run.stamp ## start an Apache Kafka for trying things, until Ctrl-C: make kafka KAFKA_PORT=9092 KAFKA_VERSION=3.9.2
	@KAFKA_PORT=$(KAFKA_PORT) KAFKA_VERSION=$(KAFKA_VERSION) exec $(BIN)/python -m tests.support.broker

test: .venv/dev.stamp ## run everything that guards the code: checks, then all tests: make test WORKERS=4
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not benchmark"

quick: .venv/dev.stamp ## run the tests that take seconds
	@$(BIN)/python -m pytest -m "not slow and not benchmark"

failures: .venv/dev.stamp ## kill, pause and starve everything in turn, an hour: make failures ONLY=brokers_down MINUTES=5
	@$(BIN)/python -m pytest tests/failures --long --minutes $(MINUTES) -s -p no:randomly $(if $(ONLY),-k $(ONLY))

endure: .venv/dev.stamp ## ten minutes of real traffic on three brokers with two random kills a minute, then compare
	@$(BIN)/python -m pytest tests/failures --long -s -k endurance

check: .venv/dev.stamp ## lint, types, layering, sizes
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: .venv/dev.stamp ## print the ratios of docs/performance.md, and what one call of each step costs: make bench ONLY=test_micro
	@$(BIN)/python -m pytest -m benchmark -p no:randomly -s tests/benchmarks $(if $(ONLY),-k $(ONLY)) \
		-p benchmark --benchmark-columns=min,median,rounds,iterations --benchmark-sort=min --benchmark-group-by=group

load: .venv/dev.stamp ## run every load scenario, ten minutes at most, and write the report: make load LONG=1 ONLY="write burst"
	@$(BIN)/python -m loadtests run $(or $(ONLY),all) $(if $(LONG),--long,--short) $(if $(SMOKE),--smoke) $(if $(OUT),--out $(OUT))

docs: .venv/dev.stamp ## write the generated pages of docs/reference again
	@$(BIN)/python -m smartflanders.reference

models: .venv/dev.stamp ## write what the files of the reference models come to beside them
	@$(BIN)/python -m vocab.compiled

conformance: .venv/dev.stamp ## run the conformance tests and write their results into docs/reference/conformance.md
	@rm -f .cache/conformance.jsonl
	@$(BIN)/python -m pytest -n $(WORKERS) tests/conformance --deselect tests/conformance/test_register.py::test_the_page_is_what_tests_and_register_yield
	@$(BIN)/python -m tests.conformance.register

lock: ## take the newest versions that pyproject.toml allows and pin them
	@rm -rf .cache/lock && $(PYTHON) -m venv .cache/lock
	@.cache/lock/bin/python -m pip install --quiet --disable-pip-version-check packaging ".[dev,load]"
	@.cache/lock/bin/python requirements/lock.py

clean: ## remove the environment and caches; data folders stay
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
