# Two commands matter: `make demo` and `make test`. Each works from nothing: Python 3.11+, make and a network to install from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check bench triton clean

install: $(STAMP)

# The stamp is the last thing written, so an install that was cut off is made again.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lookalike needs Python 3.11 or later; run make with PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,demo,test,dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/lookalike demo

# Everything, real Triton included where its wheels exist (else that part is skipped with the reason).
test: $(STAMP)
	@PYTHON=$(PYTHON) tests/shared/real_triton/environment.sh || true
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --durations=12

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Only the conformance tests, against real tritonserver from wheels in an environment of its own.
triton: $(STAMP)
	@PYTHON=$(PYTHON) tests/shared/real_triton/environment.sh
	$(BIN)/python -m pytest tests/serving/test_triton.py tests/serving/test_golden_chain.py

clean:
	rm -rf $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
