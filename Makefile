# The few commands of this house. `make PY=python3.12 test` uses another interpreter (and its own venv).
PY ?= python3
VENV ?= .venv$(if $(filter-out python3,$(PY)),-$(notdir $(PY)))
BIN := $(VENV)/bin
CONNECTORS := $(wildcard connectors/*)
EDITABLE := -e . $(CONNECTORS:%=-e %) -e sandbox
STAMP := $(VENV)/.installed

.PHONY: install demo test lint bench matrix real sweep docs nightly lock clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml $(CONNECTORS:%=%/pyproject.toml) sandbox/pyproject.toml
	@$(PY) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tieout needs Python 3.11 or newer; try: make PY=python3.12 install")'
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

# DEMO=quickbooks, DEMO=xero: a simulated shop into that ledger, over HTTP, with faults.
demo: install
	DEMO=$(or $(DEMO),files) $(BIN)/python -m tieout_sandbox.demo

# The second line: what touches the database once more, on a PostgreSQL server from a wheel.
test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal
	TIEOUT_TEST_DATABASE=postgres $(BIN)/python -m pytest -n 2 --dist worksteal tests/store tests/pull tests/deliver tests/operations

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright

bench: install
	$(BIN)/python tests/bench

matrix: install
	$(BIN)/python tests/matrix

real: install
	$(BIN)/python -m tieout_sandbox.real

# A hundred thousand crashes, by every core. SWEEP="--crashes 5000" for fewer, SWEEP="--seed 17" for one again.
sweep: install
	$(BIN)/python tests/sweep $(SWEEP)

docs: install
	$(BIN)/python docs/generate.py

nightly: install
	TIEOUT_HYPOTHESIS=nightly $(BIN)/python -m pytest -n 2 --dist worksteal
	$(BIN)/python -m tieout_sandbox.nightly --seeds 20

# Only for maintainers; needs `uv` on the path. No address gets into the lock.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
