# make demo: set up .venv and run the main job.   make test: set up and run every test.
# make dev: LangGraph's server with the graphs, for Studio.   make check: lint and types.   make bench: measurements.   make lock: pin the dependencies anew.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := .fanwise/demo
QUESTION := Why did web-03 go quiet?

PORT := 2024

.PHONY: demo dev test check bench lock clean

demo: $(VENV)/.run
	$(BIN)/fanwise sample $(DEMO)/events
	$(BIN)/fanwise ask "$(QUESTION)" --events $(DEMO)/events --db $(DEMO)/runs.db

# Without a key, and with nothing asked or told outside. A port that is taken is refused: the server would move on silently.
dev: export LANGGRAPH_CLI_NO_ANALYTICS = 1
dev: export LANGGRAPH_NO_VERSION_CHECK = true
dev: export FANWISE_HOSTS = 127.0.0.1 localhost
dev: export FANWISE_EVENTS ?= $(abspath $(DEMO)/events)
dev: $(VENV)/.dev
	@$(BIN)/python -c "from fanwise.cli.serve import check_port; check_port($(PORT))"
	$(BIN)/fanwise sample $(DEMO)/events
	$(BIN)/langgraph dev --no-browser --n-jobs-per-worker 10 --port $(PORT)

# Four at once whatever the cores: tests of processes and servers mostly wait. These can be late on a busy machine, so that
# what fails is tried once more, and told as a rerun.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 4 --dist worksteal --reruns 1

check: $(VENV)/.dev .ns/fanwise
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/all.py

lock:
	uv pip compile --quiet --universal --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --no-emit-index-url --no-header --group dev --extra postgres --extra mcp --extra otel --extra splunk pyproject.toml -c requirements.lock -o requirements-dev.lock

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
