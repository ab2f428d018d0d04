# Two commands do everything: `make demo` and `make test`. Only Python 3.11 or newer and make are presumed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
SPARK  := $(if $(shell command -v java),$(VENV)/.spark)
# A user's own exported variables (PYTHONPATH of another project) must not leak into ours.
unexport PYTHONPATH

.PHONY: help demo test lint bench bench-quality bench-quality-full bench-ablation bench-speed bench-replay bench-peers integration lock clean

help:            ## this text
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Stillwatch needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: requirements/core.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements/core.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.core
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# The tests of Spark need Java. Where there is one, Spark (0.5 GB) is installed too; elsewhere they are skipped.
$(VENV)/.spark: requirements/spark.txt $(VENV)/.dev
	$(INSTALL) --require-hashes -r requirements/spark.txt
	@touch $@

$(VENV)-integration/.installed: requirements/integration.txt $(VENV)/.dev
	$(PYTHON) -m venv $(VENV)-integration
	$(VENV)-integration/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/integration.txt
	@touch $@

# A peer without a wheel for this machine is left out, and the table says so.
$(VENV)-peers/.installed: requirements/peers.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(PYTHON) -m benchmarks.peers.installing $(VENV)-peers requirements/peers.txt
	@touch $@

demo: $(VENV)/.core    ## simulate a small world, scan it, write demo/results/report.html
	$(BIN)/stillwatch demo --out demo

test: $(VENV)/.dev $(SPARK)  ## all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.dev     ## style, types, the contract of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

integration: $(VENV)-integration/.installed $(SPARK)  ## tests that start real outside parts (a LiteLLM proxy, a Spark cluster)
	STILLWATCH_LITELLM=$(abspath $(VENV)-integration/bin/litellm) $(BIN)/python -m pytest -m integration -n 0

bench: $(VENV)/.dev    ## print the tables of benchmarks/
	$(BIN)/python -m benchmarks

bench-quality: $(VENV)/.core  ## every detector on the standing suite; renews benchmarks/quality.json and README's table
	$(BIN)/python -m benchmarks.quality

bench-quality-full: $(VENV)/.core  ## the long bench, or what fits: make bench-quality-full ARGS="--only jitter --budget 60"
	$(BIN)/python -m benchmarks.quality_full $(ARGS)

bench-speed: $(VENV)/.core  ## where a scan's time goes, at 2, 8 and 28.8 million exchanges; renews docs/performance.md (an hour, 30 GB of disk)
	$(BIN)/python -m benchmarks.speed $(ARGS)

bench-replay: $(VENV)/.core  ## what a further hour of a replay costs on top of 7, 14 and 28 days; renews a section of docs/performance.md
	$(BIN)/python -m benchmarks.further_hour $(ARGS)

bench-ablation: $(VENV)/.core  ## every family of evidence alone and left out; renews the table of docs/detection.md
	$(BIN)/python -m benchmarks.ablation $(ARGS)

bench-peers: $(VENV)/.core $(VENV)-peers/.installed  ## side by side with others' libraries; renews a section of docs/performance.md
	$(BIN)/python -m benchmarks.peers --venv $(VENV)-peers $(ARGS)

lock: $(VENV)/.dev     ## renew the locked requirements (versions and hashes, no address)
	$(INSTALL) uv
	$(BIN)/python requirements/lock.py

clean:           ## remove what make made
	rm -rf $(VENV) $(VENV)-integration $(VENV)-peers demo
