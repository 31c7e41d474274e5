# Two commands do everything on a fresh machine: `make app` and `make test`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8501
PYTEST_ARGS ?=
export PYTHONUNBUFFERED = 1

.PHONY: help app test setup bench demo demo-runs demo-answers papers lint chromium clean

help:
	@echo "make app        environment, demo data and runs, the app on http://localhost:$(PORT)"
	@echo "make test       everything: lint, types, unit tests, browser tests (installs Chromium where missing)"
	@echo "make setup      the environment in $(VENV) alone"
	@echo "make bench      speed and quality measurements (takes long; see benchmarks/README.md)"
	@echo "make papers     train the papers' ablations and curves (hours; SEEDS=3, PAPER=same, DEVICE=cuda)"
	@echo "make demo-runs  train the demo runs on the shelf again, from models/recipes.mk"

# The environment is built where it is missing and again when a pin changes.
$(VENV)/.app: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "msviz needs Python 3.11 or newer; call make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet -r requirements.txt
	$(PY) -m pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	$(PY) -m pip install --quiet -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.dev

app: $(VENV)/.app demo
	$(PY) -m msviz app --port $(PORT)

include models/recipes.mk

# Demo data and runs stand in the repository; they are made here only where somebody deleted them.
demo: data/demo/dataset.json $(DEMO_RUNS:%=models/%/run.json)

data/demo/dataset.json: | $(VENV)/.app
	$(PY) -m msviz data plant --out data/demo --rows 200000 --seed 0

# The product's own command, the same metrics for the same seed; a training that was stopped goes on.
$(DEMO_RUNS:%=models/%/run.json): models/%/run.json: | data/demo/dataset.json
	$(PY) -m msviz train $(RECIPE.$*) $(COMMON) --out models/$* $$(test -d models/$*/checkpoint && echo --resume)

# Answers that the app's first pages read are kept beside the runs, so that a first visitor need not wait; single
# impressions only beside two, they are larger than most weights.
demo-runs: $(VENV)/.app
	rm -rf $(DEMO_RUNS:%=models/%) data/demo/.findings
	$(MAKE) demo
	$(MAKE) demo-answers

demo-answers:
	for run in $(DEMO_RUNS); do $(PY) -m msviz analyse performance models/$$run || exit 1; done
	for run in $(ATTENTIVE_RUNS); do \
		for question in impressions attention_by_scenario; do \
			$(PY) -m msviz analyse $$question models/$$run || exit 1; \
		done; \
	done
	$(PY) -m msviz analyse controls models/demo-satrans --set question=attention_by_scenario
	$(PY) -m msviz analyse data_overview --data data/demo
	$(PY) -m msviz analyse data_overview --data data/demo --set field=gender

# The runs of the papers' ablations and curves, by hand: some 60 trainings a seed, each with a demo run's settings
# and one thing changed. They lie in models/papers, which no page but the Gallery lists; what is there is not
# trained again, what was stopped goes on. SEEDS trainings of each kind; PAPER only those of one.
SEEDS ?= 1
DEVICE ?= cpu
PAPER ?=
papers: $(VENV)/.app demo
	@mkdir -p build
	$(PY) -m msviz gallery --commands --seeds $(SEEDS) --device $(DEVICE) $(PAPER:%=--paper %) > build/papers.txt
	@total=$$(wc -l < build/papers.txt); done=0; while read -r line; do \
		done=$$((done + 1)); echo "$$done of $$total: $$line"; \
		PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh -c "$$line" < /dev/null || exit 1; \
	done < build/papers.txt
	$(PY) -m msviz gallery --tables docs/papers.md

chromium: $(VENV)/.dev
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	if command -v apt-get >/dev/null; then \
		SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu-core >/dev/null; \
	else $(PY) -m playwright install chromium; fi

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: $(VENV)/.dev demo chromium lint
	$(PY) -m pytest -n 2 --dist loadfile -m "not browser" $(PYTEST_ARGS)
	$(PY) -m pytest -m browser $(PYTEST_ARGS)

build/peers/deepctr_torch: | $(VENV)/.dev
	$(PY) -m pip install --quiet --target build/peers --no-deps deepctr-torch==0.3.0 \
		requests urllib3 idna certifi charset-normalizer

# Everything that needs no outside data; some two hours on two idle cores, most of them for the ablations.
bench: $(VENV)/.dev demo chromium build/peers/deepctr_torch
	$(PY) benchmarks/speed.py --threads 1 2
	$(PY) benchmarks/ablations.py
	$(PY) benchmarks/analysis_cost.py --rows 3000000 --stretches 3
	$(PY) benchmarks/import_speed.py
	$(PY) benchmarks/truth.py models/demo-satrans models/demo-autoint
	$(PY) benchmarks/app_speed.py --repeat 3

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
