# Every verb of the project; CI runs the same ones. `make help` lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
SEEDS  ?= 1000
Q      ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test test-vllm check fmt sim bench clean

help:            ## list the verbs
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  +##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# One stamp file: installing again is needed only when a dependency declaration changes.
$(VENV)/.installed: pyproject.toml requirements/constraints.txt requirements/overrides.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python \
	  --constraint requirements/constraints.txt --override requirements/overrides.txt \
	  --editable '.[local,dev]'
	@touch $@

install: $(VENV)/.installed  ## make .venv with the `symphony` command
	@echo "ready: $(BIN)/symphony"

demo: $(VENV)/.installed  ## five real nodes answer a question: make demo [Q="…"]
	$(BIN)/symphony demo $(if $(Q),--question "$(Q)")

test: $(VENV)/.installed  ## the whole test suite
	$(BIN)/python -m pytest -m "not slow" -n 2

# SYMPHONY_ENGINES and SYMPHONY_MODELS say where vLLM and the models are put (4 and 5 GB).
VLLM_MODELS ?= smollm2-135m qwen2.5-coder-1.5b
test-vllm: $(VENV)/.installed  ## install vLLM, convert the models, hold it to the contract
	$(BIN)/symphony engine install vllm
	for model in $(VLLM_MODELS); do \
	  $(BIN)/symphony model pull $$model && $(BIN)/symphony model convert $$model || exit 1; done
	$(BIN)/python -m pytest -m slow --durations=0 tests/engines/test_vllm.py \
	  tests/engines/test_vllm_node.py tests/engines/test_vllm_qwen.py

check: $(VENV)/.installed  ## ruff, mypy --strict, import-linter, file lengths
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@long=$$(git ls-files '*.py' | xargs wc -l | awk '$$2 != "total" && $$1 > 400 {print}'); \
	  test -z "$$long" || { echo "files over 400 lines:"; echo "$$long"; exit 1; }

fmt: $(VENV)/.installed  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sim: $(VENV)/.installed  ## the deterministic simulator: make sim SEEDS=1000
	$(BIN)/symphony sim --seeds $(SEEDS)

bench: $(VENV)/.installed  ## benchmarks, printed as JSON
	$(BIN)/symphony bench overhead --json

clean:           ## remove build products (not .venv)
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache out
