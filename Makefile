# Two commands do all the set-up: `make demo` and `make test`. Each makes its own virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PROSE = wpprep cli tests benchmarks docs .github $(wildcard *.md)
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test test-slow lint bench clean

demo: $(VENV)/train.stamp  ## the main job on sample_corpus/
	$(BIN)/wpprep demo

test: lint  ## lint, spelling, types, import rules, tests
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/test.stamp  ## long fuzzing, large corpora, crash storms
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell $(PROSE)
	$(BIN)/mypy wpprep cli tests
	$(BIN)/lint-imports --config pyproject.toml

bench: $(VENV)/test.stamp  ## every benchmark; peers that are missing are named
	for name in encode train_vocab read sentences shards load train; do $(BIN)/python benchmarks/$$name.py || exit 1; done

# PyTorch goes first and alone: a range would let pip take a build of several gigabytes.
$(VENV)/train.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt torch==2.13.0
	$(PIP) install --constraint constraints.txt --editable '.[train,wiki,report]'
	touch $@

$(VENV)/test.stamp: $(VENV)/train.stamp
	$(PIP) install --constraint constraints.txt --editable '.[train,wiki,report,test,lint]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info demo
