import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from timing.contest import Contest, Timing
from timing.flops import Cost
from timing.rows import against_peaks, rows_of

PEAKS = {
    "matrix": {"fp32": 100e9, "bf16": 400e9},
    "convolution": {"fp32": 120e9, "bf16": 380e9},
    "by_shape": {"fp32": {"product 8x8x8": 100e9}, "bf16": {"product 8x8x8": 400e9}},
    "copy_bytes_per_second": 20e9,
}
COST = Cost(flops=6e9, activations=10e6, weights=5e6, optimizer=40_000_000)


@pytest.fixture
def peaks():
    """Peaks of a CPU, as `timing.peaks` gives them."""
    return PEAKS


@pytest.fixture
def rows():
    """Rows of a contest by mode, at 6 GFLOP a step, with torch's counter 1% above."""

    def make(made):
        return {row["mode"]: row for row in rows_of(made, COST, 6_060_000_000)}

    return make


@pytest.fixture
def contest():
    """Rounds of a variant at given ms a step: a dict a round, with the share that others took under ``others``."""

    def make(*rounds, variant="gan"):
        facts = {"peak_memory_bytes": 2**30, "first_step_seconds": 4.0, "import_torch_seconds": 2.0,
                 "warm_up_seconds": 0.5, "note": ""}  # fmt: skip
        made = []
        for one in rounds:
            others = one.get("others", 0.0)
            made.append({
                mode: Timing(512e3 / ms, ms, others, {0: 512e3 / ms, 2: 256e3 / ms} if mode == "tutorial" else {})
                for mode, ms in one.items() if mode != "others"
            })  # fmt: skip
        return Contest(variant, made, {mode: dict(facts) for mode in made[0]}, {})

    return make


@pytest.fixture
def report(contest):
    """A whole report of four variants, as `Speed` writes it."""
    ms = {"tutorial": 200.0, "in_memory": 190.0, "exact": 55.0, "fast": 25.0}
    rows = [row for name in ("gan", "cgan", "dcgan", "lsgan")
            for row in rows_of(contest(ms, ms, ms, variant=name), COST, 6_000_000_000)]  # fmt: skip
    against_peaks(rows, PEAKS)
    return {
        "date": "2026-01-01T00:00:00+00:00",
        "command": "python benchmarks/speed.py",
        "commit": "0123456789ab",
        "code": "0",
        "slug": "a-cpu-2-threads",
        "machine": {"device": "A CPU, 2 threads", "versions": {"torch": "2.9"}},
        "settings": {"rounds": 3, "seconds": 1.0, "threads": 2},
        "peaks": PEAKS,
        "rows": rows,
        "evaluation": {"n": 10_000, "extractor": "mnist-cnn", "seconds": {"FID": 0.5},
                       "statistics_of_real_images_once": 3.0, "share_of_run": None},
        "quality": [{"variant": "gan", "precision": "bf16", "extractor": "mnist-cnn", "n": 2000, "seeds_exact": 5,
                     "seeds_fast": 4, "fid_exact": 20.0, "fid_fast": 21.5, "difference": 1.5, "low": -0.5,
                     "high": 3.5}],
        "together": [{"variant": "gan", "precision": "tf32", "seeds": 4, "execution": "CUDA graphs",
                      "apart_images_per_second": 1e6, "together_images_per_second": 2e6, "ratio_median": 2.0,
                      "ratio_min": 1.9, "ratio_max": 2.1}],
        "startup": {"python_seconds": 0.1, "help_seconds": 0.2, "import_torch_seconds": 2.0,
                    "bench_to_first_step_seconds": None},
        "profile": {"gan": {"exact": {"products": 40.0, "other": 1.0}, "fast": {"products": 20.0}}},
        "left_out": ["startup"],
    }  # fmt: skip
