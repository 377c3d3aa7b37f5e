# Everything runs in .venv, which is made by itself; nothing needs to be installed by hand but Python 3.11+ and make.

PYTHON ?= python3
PRESET ?= auto
ARGS ?=
MINUTES ?= 9

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made

.PHONY: help setup setup-ray lint test test-slow test-ray golden index lock bench bench-mnist bench-fashion bench-digits bench-stacked bench-toy gpu \
	report results pack speed verify trust torture

help:
	@echo "make bench-mnist     train and compare gan, cgan, dcgan, lsgan on MNIST (PRESET=smoke|quick|standard|full OUT=dir ARGS=...)"
	@echo "make bench-fashion   the same on Fashion-MNIST"
	@echo "make bench-digits    the same on the 8x8 digits of scikit-learn, for tests"
	@echo "make bench SUITE=losses   any shipped suite: losses, conditioning, architectures, dcgan_rules, least_squares ..."
	@echo "make bench-toy       mode coverage of each loss on mixtures in the plane: minutes on a CPU (OUT=runs/toy)"
	@echo "make bench-stacked   mode coverage of each loss on stacked MNIST: 1,000 modes"
	@echo "make gpu MINUTES=9   everything that needs a CUDA device, in that time, with python3 and its own torch"
	@echo "make report OUT=dir  write the report of a results folder again"
	@echo "make results         write the reports of all shipped results, their index and docs/findings.md again"
	@echo "make pack OUT=dir    replace the records of a results folder by one compressed file, for git"
	@echo "make verify          train a small part, and check the results against benchmarks/studies/expected.json"
	@echo "make trust           sensitivity of the metrics, validity of the statistics: minutes (OUT=runs/trust)"
	@echo "make speed           time the engine, a tutorial loop and the peak of the machine (ARGS=--help for options)"
	@echo "make torture         kills, damaged files, odd inputs and full disks: under an hour on two cores (OUT=results/reliability)"
	@echo "make setup           install everything into .venv, which every other command does if needed"
	@echo "make test            run the tests (ARGS=... goes to pytest)"
	@echo "make test-slow       run the slow tests"
	@echo "make test-ray        run all tests of the Ray executor, minutes on a cluster of this machine"
	@echo "make golden          store the golden values again after NUMERICS_VERSION, METRICS_VERSION or a revision was raised"
	@echo "                     (needs the files of Fashion-MNIST in GAN_ZOO_DATA)"
	@echo "make index           write the index of variants and data sets, and the tables of variants and metrics, again"
	@echo "make lint            ruff, mypy and the import contracts"
	@echo "make setup-ray       install Ray as well, for bench --executor ray and its tests"
	@echo "make lock            update requirements.lock and requirements-ray.lock"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gan-zoo needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; name another with PYTHON=")'
	@echo "making $(VENV) (a minute the first time)"
	@test -x $(BIN)/uv || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --requirements requirements.lock
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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto -m "slow and not cluster" $(ARGS)

test-ray: setup-ray
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow or cluster" tests/bench/executors/test_ray.py tests/bench/executors/test_ray_driver.py \
		tests/benchmarks/test_ray.py $(ARGS)

golden: $(STAMP)
	OMP_NUM_THREADS=1 PYTHONPATH="$(CURDIR)" $(BIN)/python tests/golden/regenerate.py

index: $(STAMP)
	$(BIN)/python -m gan_zoo.cli.facts

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --python-version 3.11 --quiet --upgrade --output-file requirements.lock
	# Versions of the first are kept where they can be: the S3 server wants an older python-dateutil.
	cp requirements.lock requirements-ray.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --group ray --extra ray --universal --generate-hashes --python-version 3.11 --quiet --output-file requirements-ray.lock

# Ray and the S3 server of its tests, beside what is in .venv.
setup-ray: $(STAMP)
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --require-hashes --requirements requirements-ray.lock

bench-mnist: SUITE := mnist
bench-fashion: SUITE := fashion_mnist
bench-digits: SUITE := digits
bench-stacked: SUITE := stacked_mnist

bench: SUITE ?= $(error name a suite of gan_zoo/suites, e.g. make bench SUITE=losses)

bench bench-mnist bench-fashion bench-digits bench-stacked: $(STAMP)
	$(BIN)/gan-zoo bench $(SUITE) --preset $(PRESET) $(if $(OUT),--out $(OUT)) $(ARGS)

bench-toy: PRESET := quick
bench-toy: OUT := runs/toy
bench-toy: $(STAMP)
	$(BIN)/python -m benchmarks.studies.mode_coverage --preset $(PRESET) --out $(OUT) $(ARGS)

# Not in .venv: the machine with the device has its own torch, and no network.
gpu:
	$(PYTHON) -m benchmarks.speed.cuda --minutes $(MINUTES) $(ARGS)

report: OUT ?= $(error name a results folder, e.g. make report OUT=results/mnist-quick)
report: $(STAMP)
	$(BIN)/gan-zoo report $(OUT)

results: $(STAMP)
	for manifest in $$(git ls-files 'results/*manifest.json'); do \
		folder=$$(dirname $$manifest); \
		if [ -f $$folder/report.md ]; then $(BIN)/gan-zoo report $$folder || exit 1; fi; \
	done
	$(BIN)/gan-zoo report results --index
	$(BIN)/python -m gan_zoo.cli.facts

pack: OUT ?= $(error name a results folder, e.g. make pack OUT=results/mnist-quick)
pack: $(STAMP)
	$(BIN)/python -c "import pathlib, gan_zoo.bench.folder as folder; folder.pack(pathlib.Path('$(OUT)'))"

speed: $(STAMP)
	$(BIN)/python -m benchmarks.speed.report $(ARGS)

verify: $(STAMP)
	$(BIN)/python -m benchmarks.studies.reproduce $(ARGS)

# The metrics come first, for they need data: without them nothing is left half made.
trust: OUT := runs/trust
trust: $(STAMP)
	$(BIN)/python -m benchmarks.studies.metric_sensitivity --out $(OUT) $(ARGS)
	$(BIN)/python -m benchmarks.studies.fid_bias --out $(OUT) $(ARGS)
	$(BIN)/python -m benchmarks.studies.calibration --out $(OUT)
	$(BIN)/python -m benchmarks.studies.false_positives results/trust/aa --out $(OUT)

torture: OUT := results/reliability
torture: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.torture --out $(OUT) $(ARGS)
