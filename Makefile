# Groundwork. `make help` lists what there is.
PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := .
export HF_HUB_OFFLINE ?= 1
unexport PYTHONDONTWRITEBYTECODE  # what tests and jobs start by the dozen is not compiled anew each time

.DEFAULT_GOAL := help
.PHONY: help app test test-all crewai faults bench bench-full gpu-check example-paper capstone lint format doctor screenshots clean

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# of llama.cpp what the package loads: its programs' other half takes as long to build again
LLAMA = SKBUILD_BUILD_TARGETS=llama CMAKE_ARGS="'-DCMAKE_PROJECT_INCLUDE=$(CURDIR)/requirements-llama.cmake' $(CMAKE_ARGS)" \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-llama.txt

$(VENV)/.app: requirements.txt requirements-llama.txt requirements-llama.cmake
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Groundwork needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}. Try: make app PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing; the first time takes five to ten minutes, most of it building llama.cpp."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=23.1'  # older ones do not read requirements-llama.txt
	@$(LLAMA)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m core.models.amx || $(LLAMA) --force-reinstall --no-cache-dir
	@touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

app: $(VENV)/.app  ## install on first use, then start the workbench on 127.0.0.1 (PORT=8501)
	@echo "Groundwork: http://127.0.0.1:$(PORT)  (stop with Ctrl-C)"
	@$(BIN)/python -m streamlit run app/server.py --server.port $(PORT)

# three workers on two cores, for pages wait too; two in the slow set, where each has a browser and an app; the longest files first (tests/conftest.py)
WORKERS = -n 3 --dist loadfile --no-loadscope-reorder
test: $(VENV)/.dev  ## what decides quickly, in parallel
	$(BIN)/python -m pytest -q $(WORKERS) -m "not slow"

# what fails beside another walk of a browser is tried once more, alone: see docs/decisions/README.md
SLOW = -q -o addopts="--import-mode=importlib -p no:langsmith_plugin -p no:faker" -m slow $(shell grep -rl --include='test_*.py' 'mark\.slow' tests)
test-all: test  ## the same, then what takes minutes or is one more look at a page
	@$(BIN)/python -m pytest $(SLOW) $(WORKERS) -n 2 || { [ $$? -eq 1 ] && \
	echo "== Once more, alone: what failed ==" && GROUNDWORK_TESTS_UNTIL=inf $(BIN)/python -m pytest $(SLOW) -n 0 --last-failed --last-failed-no-failures none; }

crewai: .venv-crewai/.made  ## CrewAI in an environment of its own (about 1 GB), for the way of answering react_crewai
.venv-crewai/.made: requirements-crewai.txt
	$(PYTHON) -m venv .venv-crewai
	.venv-crewai/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-crewai.txt
	@touch $@

faults: $(VENV)/.dev  ## kills, full disks, damaged files, hostile input, drawn by the day (or SEED=20260131): what was tried, held, failed (ten minutes; see docs/faults.md)
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(FAULTS)

bench: $(VENV)/.dev  ## measure every number in the docs, or some (BENCH="slider store"); says before how long; ends with what was promised
	$(BIN)/python -m benchmarks $(BENCH)

bench-full: $(VENV)/.dev  ## the index benchmark at 1,000,000 vectors (about an hour, 8 GB of memory)
	$(BIN)/python -m benchmarks --full index

gpu-check: $(VENV)/.dev  ## what needs CUDA, in ten minutes at most, written with the GPU's name (CPU=1: tries the same code without a GPU)
	$(BIN)/python -m benchmarks$(if $(CPU),.gpu_check --cpu, gpu_check)

example-paper: $(VENV)/.dev  ## a study, people's agreement and the bundle of both, verified and set in LaTeX (PAPER=--short: a minute, no data sets)
	$(BIN)/python -m docs.example_paper $(PAPER)

capstone: $(VENV)/.dev  ## the questions of a RAG paper on public data, as a paper that can be recomputed; goes on where it was stopped (six hours; QUICK=1: some minutes, no data sets)
	$(BIN)/python -m docs.capstone $(if $(QUICK),--quick)

lint: $(VENV)/.dev  ## style and import rules
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

doctor: $(VENV)/.app  ## what this machine offers, and what to do about what is missing
	@$(BIN)/python -m core doctor

screenshots: $(VENV)/.dev  ## make the pictures of the README and the docs anew
	$(BIN)/python -m docs.screenshots

clean:  ## remove the environment (data/ stays)
	rm -rf $(VENV) .venv-crewai
