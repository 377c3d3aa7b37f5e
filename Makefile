# Everything runs in .venv, which is made by itself; nothing needs to be installed by hand but Python 3.11+ and make.

PYTHON ?= python3
PRESET ?= auto
ARGS ?=
MINUTES ?= 9

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made

.PHONY: help setup lint test test-slow test-kills golden index lock bench bench-mnist bench-fashion bench-digits bench-stacked bench-toy gpu \
	report speed verify trust

help:
	@echo "make bench-mnist     train and compare the founding variants on MNIST (PRESET=smoke|quick|full|auto OUT=dir ARGS=...)"
	@echo "make bench-fashion   the same on Fashion-MNIST"
	@echo "make bench-digits    the same on the embedded digits, without any download"
	@echo "make bench SUITE=losses   any suite of gan_zoo/suites: losses, conditioning, architectures, dcgan_rules, least_squares ..."
	@echo "make bench-toy       which objectives lose modes of known mixtures in the plane: minutes on a CPU (OUT=runs/toy)"
	@echo "make bench-stacked   which objectives lose modes: three MNIST digits in three channels, 1,000 modes to find"
	@echo "make gpu MINUTES=9   with python3 and its own torch: all that only a CUDA device can tell, in that time"
	@echo "make report OUT=dir  write a results folder's report anew"
	@echo "make verify          rerun a small part, and say whether this machine gives what benchmarks/expected.toml expects"
	@echo "make trust           how far the measures and the statistics can be believed, minutes (OUT=runs/trust; ARGS for the"
	@echo "                     measures, which need MNIST: ARGS='--data-root DIR')"
	@echo "make speed           time the engine against the tutorial loop and the machine's limit (ARGS=--help for options)"
	@echo "make test            run the tests (ARGS=... goes to pytest)"
	@echo "make test-slow       run the tests that take minutes"
	@echo "make test-kills      kill commands at random instants, again and again: a quarter of an hour or more"
	@echo "make golden          store the numbers that guard the versions again, where NUMERICS_VERSION, METRICS_VERSION or a"
	@echo "                     revision was raised (needs MNIST and Fashion-MNIST in GAN_ZOO_DATA for their fingerprints)"
	@echo "make index           write the index of variants and data sets, and the README's table of variants, again"
	@echo "make lint            ruff, mypy and the import contracts"
	@echo "make lock            renew requirements.lock"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gan-zoo needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; name another with PYTHON=")'
	@echo "making $(VENV) (a minute the first time)"
	@test -x $(BIN)/uv || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --require-hashes --requirements requirements.lock
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One thread a worker: two workers with two threads each would fight for two cores.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto -m "not slow" $(ARGS)

test-slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto -m "slow and not kills" $(ARGS)

test-kills: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto -m kills $(ARGS)

golden: $(STAMP)
	OMP_NUM_THREADS=1 PYTHONPATH="$(CURDIR)" $(BIN)/python tests/golden/regenerate.py

index: $(STAMP)
	$(BIN)/python -m gan_zoo.cli.facts

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --python-version 3.11 --quiet --upgrade --output-file requirements.lock

bench-mnist: SUITE := mnist
bench-fashion: SUITE := fashion_mnist
bench-digits: SUITE := digits
bench-stacked: SUITE := stacked_mnist
bench-mnist bench-fashion: FALLBACK := --fallback digits

bench: SUITE ?= $(error name a suite of gan_zoo/suites, e.g. make bench SUITE=losses)

bench bench-mnist bench-fashion bench-digits bench-stacked: $(STAMP)
	$(BIN)/gan-zoo bench $(SUITE) --preset $(PRESET) $(if $(OUT),--out $(OUT)) $(FALLBACK) $(ARGS)

bench-toy: PRESET := quick
bench-toy: OUT := runs/toy
bench-toy: $(STAMP)
	$(BIN)/python benchmarks/toy.py --preset $(PRESET) --out $(OUT) $(ARGS)

# Not in .venv: the machine with the device has its own torch, and no network.
gpu:
	$(PYTHON) benchmarks/gpu.py --minutes $(MINUTES) $(ARGS)

report: OUT ?= $(error name a results folder, e.g. make report OUT=results/mnist-quick)
report: $(STAMP)
	$(BIN)/gan-zoo report $(OUT)

speed: $(STAMP)
	$(BIN)/python benchmarks/speed.py $(ARGS)

verify: $(STAMP)
	$(BIN)/python benchmarks/verify.py $(ARGS)

# The measures come first, for they need data: without them nothing is left half made.
trust: OUT := runs/trust
trust: $(STAMP)
	$(BIN)/python benchmarks/measures.py sensitivity --out $(OUT) $(ARGS)
	$(BIN)/python benchmarks/measures.py fid-n --out $(OUT) $(ARGS)
	$(BIN)/python benchmarks/trust.py coverage --out $(OUT)
	$(BIN)/python benchmarks/trust.py aa results/trust/aa --out $(OUT)
