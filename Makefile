# Quintet's commands. Each one prepares .venv first, which costs nothing when the lock has not changed.

PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
RUNTIME_LOCK := requirements/runtime.txt
DEV_LOCK := requirements/dev.txt
ENGINES_LOCK := requirements/engines.txt
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --generate-hashes --no-emit-index-url --no-annotate \
	--no-header --python-version 3.11
# Two workers for two cores; a file stays on one worker, which starts that file's servers once.
PYTEST := $(BIN)/python -m pytest -n $(or $(WORKERS),2) --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-long dev doctor bench bench-aim bench-beams bench-discovery bench-dwh bench-dwh-cluster \
	bench-location bench-market screenshots dwh-package check lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## build sample input, run the pipelines on it as a user would, show the results (PIPELINE=aim)
	$(BIN)/python -m scripts.demo $(PIPELINE)

test: check ## everything that CI runs: the checks, then all tests but the long ones (ARGS="-k labels")
	$(PYTEST) -m "not long" $(ARGS)

test-long: $(INSTALLED) ## the tests that are too slow for `make test`
	$(BIN)/python -m pytest -m long $(ARGS)

dev: $(INSTALLED) ## the web UI and the daemon on this machine (PORT=3000)
	@$(BIN)/python -m scripts.dev $(if $(PORT),--port $(PORT))

doctor: $(INSTALLED) ## what of this deployment is configured, reachable and writable (ARGS="--deployment aws")
	@$(BIN)/python -m scripts.doctor $(ARGS)

bench: $(INSTALLED) ## all benchmarks, one table in docs/benchmarks.md (ARGS="--quick", ARGS="--only beams")
	$(BIN)/python -m scripts.benchmarks $(or $(ARGS),--out docs/benchmarks.md)

bench-aim: $(INSTALLED) ## time the aim pipeline against its baselines and targets (ARGS="--only ranker")
	$(BIN)/python -m scripts.benchmarks.aim $(ARGS)

bench-beams: $(INSTALLED) ## time logs, gamma, sensor and a whole case of beams against the targets (ARGS="--only case")
	$(BIN)/python -m scripts.benchmarks.beams $(ARGS)

bench-discovery: $(INSTALLED) ## time the ledger and engine of discovery against huey and the targets (ARGS="--only reads")
	$(BIN)/python -m scripts.benchmarks.discovery $(ARGS)

bench-dwh: $(INSTALLED) ## time filter_images on Sail and Java against its predecessor (ARGS="--rows 500000")
	$(BIN)/python -m scripts.benchmarks.dwh_filter $(ARGS)

bench-dwh-cluster: $(INSTALLED) ## the same day on a Spark cluster of this machine (ARGS="--rows 100000")
	$(BIN)/python -m scripts.benchmarks.dwh_cluster $(ARGS)

bench-location: $(INSTALLED) ## time loading, idle memory and a cold run beside an empty project (ARGS="--only load")
	$(BIN)/python -m scripts.benchmarks.location $(ARGS)

bench-market: $(INSTALLED) ## time the market pipeline against its baseline (ARGS="--months 36")
	$(BIN)/python -m scripts.benchmarks.market $(ARGS)

screenshots: $(INSTALLED) ## the pictures in docs/images, taken of the web UI in Chromium (ARGS="--only partitions")
	$(BIN)/python -m scripts.screenshots $(ARGS)

dwh-package: $(INSTALLED) ## build the package that Glue, EMR and Databricks run dwh from, in dist/
	$(BIN)/python -m scripts.dwh_package

check: $(INSTALLED) ## lint, formatting, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo

lock: $(BIN)/uv ## recompile the lock files from pyproject.toml (ARGS=--upgrade)
	$(COMPILE) --extra build --extra postgres $(ARGS) --output-file $(RUNTIME_LOCK)
	$(COMPILE) --extra dev --constraint $(RUNTIME_LOCK) $(ARGS) --output-file $(DEV_LOCK)

clean: ## remove .venv and every cache; .quintet, with your data, stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- .venv ----

# Compiled ahead: `import dagster` takes 0.4 s instead of 1.0 s wherever Python may not write bytecode itself.
$(INSTALLED): $(DEV_LOCK) $(ENGINES_LOCK) pyproject.toml | $(BIN)/uv
	@echo "Installing the locked packages into .venv"
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode --quiet $(DEV_LOCK)
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes --no-deps --quiet -r $(ENGINES_LOCK)
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# uv itself comes from the lock too, through pip, and so survives the sync.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "Quintet needs Python 3.11 with its venv module, and '$(PYTHON)' is not that." >&2; \
		echo "On Debian 12: apt-get install python3.11-venv. Elsewhere: make PYTHON=/path/to/python3.11" >&2; \
		exit 2; }
	@echo "Creating .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' $(DEV_LOCK) > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
