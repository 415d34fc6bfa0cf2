# make demo: set up .venv and run the main job.   make test: set up and run every test.
# make check: lint and types.   make bench: measurements.   make lock: pin the dependencies anew.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := .fanwise/demo
QUESTION := Why did web-03 go quiet?

.PHONY: demo test check bench lock clean

demo: $(VENV)/.run
	$(BIN)/fanwise sample $(DEMO)/events
	$(BIN)/fanwise ask "$(QUESTION)" --events $(DEMO)/events --db $(DEMO)/runs.db

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/.dev .ns/fanwise
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/all.py

lock:
	uv pip compile --quiet --universal --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --no-emit-index-url --no-header --group dev --extra postgres pyproject.toml -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) .ns .fanwise build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Fanwise needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

# The package's name leads static tools to the repository's root.
.ns/fanwise:
	mkdir -p .ns
	ln -sfn .. $@
