# `make demo` and `make test` need Python 3.11 or newer, git and make; the rest they
# install themselves, into .venv, and again when tests/requirements.txt changes.

.DEFAULT_GOAL := help
.PHONY: help demo test faults soak model coverage check format readme clean

VENV := .venv
BIN := $(VENV)/bin
PINNED := $(VENV)/.pinned
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(READY) ## Show the whole way on this machine
	@$(BIN)/devhook demo

test: $(READY) ## Run every test
	$(PYTEST) -n 2 --dist loadfile

faults: $(READY) ## Meet every fault of the matrix, and print the table
	$(PYTEST) -n 2 --dist load -m "slow or not slow" --matrix tests/matrix

soak: $(READY) ## Kill `devhook up` at random, N times (200), and count what is lost
	@$(BIN)/python -m tests.soak --runs $(or $(N),200) $(if $(SEED),--seed $(SEED))

model: $(READY) ## Search every order in which a takeover can go, for some minutes
	@$(BIN)/python -m tests.core.takeover_model

coverage: $(READY) ## Measure the branches of a takeover, in every process
	@$(BIN)/python -m tests.measured

check: $(READY) ## Format, lint, types, floors
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(PYTEST) -q tests/test_floors.py

format: $(READY) ## Put the code in its form
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## Remove what these targets made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(PINNED): tests/requirements.txt
	@python=; for name in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "make: no Python 3.11 or newer is on the PATH; name one: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	rm -rf $(VENV) && $$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

$(READY): $(PINNED) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
