# demo, test, check and bench set up what they need themselves: a virtual environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHARED ?= ../shared/data
# Where pip would bring torch with gigabytes of CUDA libraries, its CPU build is enough:
#   make TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0

# TRL has an environment of its own, outside the project: it must load our files without us.
TRAINERS ?= ../trl-env

.PHONY: demo test test-trainers check bench clean
.DELETE_ON_ERROR:

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cotgen needs Python 3.11 or later; name one: make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,local]'
	touch $@

demo: $(VENV)/.installed ## The main job, for real, in seconds
	$(BIN)/cotgen run recipes/quickstart.yaml
	$(BIN)/cotgen show quickstart --dataset sft --row 0
	$(BIN)/cotgen show quickstart --dataset sft-multiturn --row 30
	$(BIN)/cotgen show quickstart --dataset dpo --row 0

test: $(VENV)/.installed
	$(BIN)/python -m pytest

test-trainers: $(VENV)/.installed ## TRL's own trainers take five steps on our files, minutes
	test -x $(TRAINERS)/bin/python || $(PYTHON) -m venv $(TRAINERS)
	$(TRAINERS)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(TRAINERS)/bin/python -m pip install --quiet --disable-pip-version-check trl==1.16.0 transformers datasets
	rm -rf outputs/test-trainers
	$(BIN)/python tests/trainers/emit.py outputs/test-trainers
	$(TRAINERS)/bin/python tests/trainers/train_with_trl.py outputs/test-trainers/trl src/cotgen/teachers/tiny

check: $(VENV)/.installed
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed ## What cotgen promises, measured here beside what it is compared with
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/pairing.py --data $(SHARED)/math/math_cot_100.jsonl

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis
