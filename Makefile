# facemend. `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo app test check lint format clean

VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## Make .venv with the tested versions (PYTHON=... chooses the Python)

# The stamp makes a second call do nothing, and a change of the pins install again.
$(VENV)/.installed: requirements.txt requirements-dev.txt constraints.txt setup.py
	@set -e; python=$$(scripts/find_python "$(PYTHON)"); \
	echo "Installing into $(VENV) with $$($$python --version); this takes a minute or two."; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 && \
	  [ "$$($(BIN)/python --version)" = "$$($$python --version)" ] || \
	  $$python -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -r requirements.txt -r requirements-dev.txt -c constraints.txt; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation -e .; \
	touch $@

demo: setup  ## Train on drawn faces, evaluate, export and restore: minutes, then pictures
	@set -e; start=$$SECONDS; \
	$(BIN)/python -m experiments.skip_inpainting --preset=cpu --workdir=$(DEMO); \
	$(BIN)/python -m experiments.sample_faces --count=8 --output=$(DEMO)/photos; \
	$(BIN)/python -m experiments.restore --overwrite --model=$(DEMO)/export/1 \
	  --input=$(DEMO)/photos --mask=center --output=$(DEMO)/restored; \
	echo; echo "Done in $$((SECONDS - start)) seconds."; \
	echo "  restored with the exported model: $(DEMO)/restored"; \
	echo "  the report, to open in a browser: $(CURDIR)/$(DEMO)/report/report.html"

app: setup  ## Open the web page (MODELS=DIR,DIR or names; otherwise all that come along)
	@$(BIN)/python -c "from importlib.metadata import version as v; v('gradio'), v('mediapipe')" \
	  2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[app,face]'
	@$(BIN)/python -m experiments.app $(if $(MODELS),--models=$(MODELS))

# A process a core: small tests gain nothing from TensorFlow's own threads.
test: setup  ## Run the tests
	TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: setup  ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test  ## What continuous integration runs: lint, format check, tests

clean:  ## Remove .venv and caches; runs stay
	rm -rf $(VENV) .pytest_cache .ruff_cache *.egg-info
