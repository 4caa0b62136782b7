# Every target does its own set-up; nothing else has to be installed or started by hand.
# PYTHONDONTWRITEBYTECODE would make every Dagster run compile all of its imports again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint lock bench mutants clean help

help:  ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /'

demo: $(READY)  ## watch a filled account arrive in Postgres through Dagster (ONCE=1: end by itself)
	$(BIN)/hostaway demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

test: $(READY)  ## run every test, on real Postgres and against the sandbox
	$(BIN)/pytest $(ARGS)

lint: $(READY)  ## format, lint, types, import rules, Dagster definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DAGSTER_HOME=$$(mktemp -d) $(BIN)/dagster definitions validate -w workspace.yaml --log-level warning

bench: $(READY)  ## measure against floors of the same run and rewrite bench/RESULTS.md
	$(BIN)/python -m bench

mutants: $(READY)  ## see how many small faults in domain/ the unit tests notice
	$(BIN)/python -m bench.mutants

lock:  ## choose the newest versions that pyproject.toml allows and rewrite requirements.lock
	test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet uv; }
	$(BIN)/uv pip compile pyproject.toml --upgrade --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock

clean:  ## remove everything that the targets made, the embedded databases included
	rm -rf $(VENV) .hostaway mutants .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock carries hashes; plain pip refuses it because of an extra in dagster-graphql, uv does not.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)
