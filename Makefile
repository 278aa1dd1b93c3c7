# facemend. `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup extras demo app docs test bench check lint format audit fuzz beam clean

VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
EXTRAS := app,face
BENCH := inference,codec,commands,training
BENCHED := runs/bench
comma := ,
READER := container
FUZZ_SECONDS := 300

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## Make .venv with the tested versions (PYTHON=... chooses the Python)

# The stamp makes a second call do nothing, and a change of the pins install again.
$(VENV)/.installed: requirements.txt requirements-dev.txt constraints.txt setup.py
	@set -e; python=$$(scripts/find_python "$(PYTHON)"); \
	echo "Installing into $(VENV) with $$($$python --version); this takes minutes, and 3 GB of disk."; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 && \
	  [ "$$($(BIN)/python --version)" = "$$($$python --version)" ] || \
	  $$python -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -r requirements.txt -r requirements-dev.txt -c constraints.txt; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation -e .; \
	touch $@

# Pip keeps what is there and leaves the tested versions alone.
extras: setup  ## Install what the page, faces, servers, conversion need (EXTRAS=app,face,...)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e '.[$(EXTRAS)]'

demo: setup  ## Restore and compress a photograph, then train on drawn faces: minutes
	@set -e; start=$$SECONDS; \
	$(BIN)/python scripts/demo_photo.py $(DEMO)/photo; \
	echo; echo "A photograph, its nose restored by a shipped model:"; \
	$(BIN)/python -m experiments.restore --overwrite --align --model=skip_inpainting_restorer \
	  --landmarks=219,192,309,188,268,246,229,278,305,275 --mask=nose \
	  --input=$(DEMO)/photo --output=$(DEMO)/photo_restored; \
	echo; echo "The same photograph compressed by a shipped codec, and decompressed:"; \
	$(BIN)/python -m experiments.compress --overwrite --quality=60 \
	  --input=$(DEMO)/photo --output=$(DEMO)/photo_small && \
	$(BIN)/python -m experiments.decompress --overwrite \
	  --input=$(DEMO)/photo_small --output=$(DEMO)/photo_again || :; \
	echo; echo "A model, trained on drawn faces:"; \
	$(BIN)/python -m experiments.skip_inpainting --preset=cpu --workdir=$(DEMO); \
	$(BIN)/python -m experiments.sample_faces --count=8 --output=$(DEMO)/photos; \
	$(BIN)/python -m experiments.restore --overwrite --noalign --model=$(DEMO)/export/1 \
	  --input=$(DEMO)/photos --mask=center --output=$(DEMO)/restored; \
	echo; echo "Done in $$((SECONDS - start)) seconds."; \
	echo "  a photograph, restored with a shipped model: $(DEMO)/photo_restored"; \
	echo "  compressed by a shipped codec, and decompressed: $(DEMO)/photo_small, $(DEMO)/photo_again"; \
	echo "  restored with the exported model: $(DEMO)/restored"; \
	echo "  the report, to open in a browser: $(CURDIR)/$(DEMO)/report/report.html"

app: setup  ## Open the web page (MODELS=DIR,DIR or names; otherwise all that come along)
	@$(BIN)/python -c "from importlib.metadata import version as v; v('gradio'), v('mediapipe')" \
	  2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[app,face]'
	@$(BIN)/python -m experiments.app $(if $(MODELS),--models=$(MODELS))

# Links are relative to the repository, so the pages keep their places in it.
docs: setup  ## Build the documentation as a site: build/site/index.html
	@rm -rf build/pages && mkdir -p build/pages
	@tar cf - README.md CHANGELOG.md LICENSE docs results/*.md results/*.json benchmarks/*.json \
	  pretrained/*.md pretrained/models.json | tar xf - -C build/pages
	$(BIN)/mkdocs build --quiet --strict
	@echo "The site: $(CURDIR)/build/site/index.html"

# A process a core: small tests gain nothing from TensorFlow's own threads. In the order of
# their names the longest files come first, and no process waits at the end.
test: setup  ## Run the tests
	TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# Numbers of one run on one machine compare; those of two runs do not.
bench: setup  ## Measure training, inference, the codec, commands: an hour (BENCH=inference,...)
	@set -e; mkdir -p $(BENCHED); for name in $(subst $(comma), ,$(BENCH)); do \
	  options=--output=$(BENCHED)/$$name.json; \
	  [ $$name != training ] || options="--input --output=$(BENCHED)"; \
	  $(BIN)/python -m benchmarks.$$name $$options; \
	done; \
	$(BIN)/python -m benchmarks.page --folder=$(BENCHED)

lint: setup  ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test  ## What continuous integration runs: lint, format check, tests

audit:  ## Look up known vulnerabilities of the tested versions (Error 3: could not look)
	@scripts/audit

# Atheris is no part of the tested versions: it has wheels for one platform only.
fuzz: setup  ## Fuzz a reader of untrusted files (READER=tar FUZZ_SECONDS=300)
	@$(BIN)/python -c "import atheris" 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[fuzz]'
	@$(BIN)/python tests/fuzz.py $(READER) -max_total_time=$(FUZZ_SECONDS)

# Beam contradicts the tested versions, and needs none of them.
beam: setup  ## Install Apache Beam beside them, in .venv-beam, and test shards on it
	@[ -x .venv-beam/bin/python ] || $(BIN)/python -m venv .venv-beam
	@.venv-beam/bin/python -m pip install --quiet --disable-pip-version-check 'apache-beam>=2.60'
	$(BIN)/python -m pytest tests/experiments/test_shards.py -k beam

clean:  ## Remove .venv and caches; runs stay
	rm -rf $(VENV) .pytest_cache .ruff_cache *.egg-info
