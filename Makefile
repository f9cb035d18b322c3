# demo, test, check and bench set up what they need themselves: a virtual environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHARED ?= ../shared/data
# Where pip would bring torch with gigabytes of CUDA libraries, its CPU build is enough:
#   make TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0

# Real engines live in an environment of their own.
VLLM := .venv-vllm

# TRL has an environment of its own, outside the project: it must load our files without us.
TRAINERS ?= ../trl-env
# The last TRL with a trainer of step labels.
PRM_TRAINER ?= ../trl113-env

# So have the loaders of LLaMA-Factory, verl, OpenRLHF and Axolotl.
LOADERS ?= ../loaders-env

.PHONY: demo test test-vllm test-trainers test-loaders check bench clean
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
	$(BIN)/cotgen show quickstart --dataset sft-multiturn --row 1
	$(BIN)/cotgen show quickstart --dataset dpo --row 0

test: $(VENV)/.installed ## A process for each core
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

$(VLLM)/.installed: tests/engines/requirements.txt
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	# Their builds are for another torch, and vLLM needs none of them here.
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
	touch $@

test-vllm: $(VENV)/.installed ## Real engines; skipped only where they cannot be installed
	@if $(MAKE) $(VLLM)/.installed; then \
	  COTGEN_VLLM_PYTHON=$(VLLM)/bin/python $(BIN)/python -m pytest --durations=0 tests/engines; \
	else \
	  echo "test-vllm: SKIPPED, for vLLM cannot be installed here (no network?); pip said why above"; \
	fi
test-trainers: $(VENV)/.installed ## TRL's own trainers take five steps on our files, minutes
	test -x $(TRAINERS)/bin/python || $(PYTHON) -m venv $(TRAINERS)
	$(TRAINERS)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(TRAINERS)/bin/python -m pip install --quiet --disable-pip-version-check trl==1.16.0 transformers datasets
	test -x $(PRM_TRAINER)/bin/python || $(PYTHON) -m venv $(PRM_TRAINER)
	$(PRM_TRAINER)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(PRM_TRAINER)/bin/python -m pip install --quiet --disable-pip-version-check trl==1.13.0 transformers datasets
	rm -rf outputs/test-trainers
	$(BIN)/python tests/trainers/make_datasets.py outputs/test-trainers
	$(TRAINERS)/bin/python tests/trainers/train_with_trl.py outputs/test-trainers/trl src/cotgen/teachers/tiny
	$(PRM_TRAINER)/bin/python tests/trainers/train_with_trl.py outputs/test-trainers/trl src/cotgen/teachers/tiny prm

test-loaders: $(VENV)/.installed ## The loaders of four other trainers read our files, minutes
	test -x $(LOADERS)/bin/python || $(PYTHON) -m venv $(LOADERS)
	$(LOADERS)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(LOADERS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/trainers/loaders.txt
	$(LOADERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  llamafactory==0.9.5 verl==0.9.1 openrlhf==0.11.2 axolotl==0.19.0
	$(BIN)/cotgen run recipes/trainers.yaml --outputs outputs/test-loaders
	$(LOADERS)/bin/python tests/trainers/load_with_others.py outputs/test-loaders/trainers src/cotgen/teachers/tiny

check: $(VENV)/.installed
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed ## What cotgen promises, measured here beside what it is compared with
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/emit.py --rows 200000
	$(BIN)/python benchmarks/pairing.py --data $(SHARED)/math/math_cot_100.jsonl
	$(BIN)/python benchmarks/viewer.py

clean:
	rm -rf $(VENV) $(VLLM) .mypy_cache .ruff_cache .hypothesis
