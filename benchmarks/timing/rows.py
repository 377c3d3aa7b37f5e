"""The rows of the table: one a variant and mode, from rounds, costs and peaks."""

import statistics
from collections import Counter
from typing import Any

from timing.contest import Contest, Round
from timing.contestants import ENGINE
from timing.flops import Cost

Row = dict[str, Any]


def rows_of(contest: Contest, cost: Cost, measured_flops: int) -> list[Row]:
    """A variant's rows, in the order of its modes; ratios are over ``tutorial`` in the same round."""
    return [
        {
            **_speed(contest, mode),
            **_ratios(contest.counted, mode),
            **_rate(contest, mode, cost),
            "flops_per_step": cost.flops,
            "flops_measured": measured_flops,
            "flops_difference": measured_flops / cost.flops - 1,
            "optimizer_bytes_per_step": cost.optimizer,
            "activation_bytes_per_step": cost.activations * _width(mode),
            "weight_bytes_per_step": cost.weights * _width(mode),
        }
        for mode in contest.facts
    ]


def _speed(contest: Contest, mode: str) -> Row:
    timings = [one[mode] for one in contest.counted]
    facts = contest.facts[mode]
    row: Row = {
        "variant": contest.variant,
        "mode": mode,
        "precision": ENGINE.get(mode, "fp32"),
        "images_per_second": statistics.median(timing.images_per_second for timing in timings),
        "ms_per_step": statistics.median(timing.ms_per_step for timing in timings),
        "rounds": len(timings),
        "discarded": contest.discarded,
        "noisy": contest.noisy,
        "peak_memory_bytes": facts["peak_memory_bytes"],
        "first_step_seconds": facts["first_step_seconds"],
        "import_torch_seconds": facts["import_torch_seconds"],
        "warm_up_seconds": facts["warm_up_seconds"],
        "note": facts["note"],
    }
    if mode == "tutorial":
        fastest = Counter(max(timing.workers, key=timing.workers.__getitem__) for timing in timings)
        row["workers"] = fastest.most_common(1)[0][0]
        row["images_per_second_by_workers"] = {
            str(workers): statistics.median(timing.workers[workers] for timing in timings)
            for workers in timings[0].workers
        }
    return row


def _ratios(rounds: list[Round], mode: str) -> Row:
    """Median, least and largest ratio of images a second; None without a tutorial loop."""
    ratios = [
        one[mode].images_per_second / one["tutorial"].images_per_second for one in rounds if "tutorial" in one
    ] or [None]
    if ratios == [None]:
        return dict.fromkeys(("ratio_median", "ratio_min", "ratio_max"))
    return {"ratio_median": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}


def _rate(contest: Contest, mode: str, cost: Cost) -> Row:
    """Operations a second that the mathematics needs; an epoch's last, smaller batch is left out of the account."""
    milliseconds = statistics.median(one[mode].ms_per_step for one in contest.counted)
    return {
        "flops_per_second": cost.flops / milliseconds * 1e3,
        "flops_per_byte": cost.flops / cost.bytes_moved(_width(mode)),
    }


def against_peaks(rows: list[Row], peaks: dict[str, Any] | None) -> None:
    """Enter into each row how near it comes to the machine's peak, and the ratio that it would have there."""
    tutorial = {row["variant"]: row["flops_per_second"] for row in rows if row["mode"] == "tutorial"}
    for row in rows:
        row["share_of_peak"] = row["share_of_roofline"] = row["ratio_at_peak"] = None
        if peaks is not None:
            peak = peak_of(row["mode"], peaks)
            row["share_of_peak"] = row["flops_per_second"] / peak
            roof = min(peak, row["flops_per_byte"] * peaks["copy_bytes_per_second"])
            row["share_of_roofline"] = row["flops_per_second"] / roof
            if row["variant"] in tutorial:
                row["ratio_at_peak"] = peak / tutorial[row["variant"]]


def peak_of(mode: str, peaks: dict[str, Any]) -> float:
    """The machine's higher peak, of products or of convolutions, in the precision of a mode, in FLOP/s.

    By torch's defaults, which the tutorial loop keeps, convolutions are in TF32 where there is any.
    """
    products = ENGINE.get(mode, "fp32")
    convolutions = products if mode in ENGINE or "tf32" not in peaks["convolution"] else "tf32"
    return max(peaks["matrix"][products], peaks["convolution"][convolutions])


def _width(mode: str) -> int:
    """Bytes of a value that the networks work with."""
    return 2 if ENGINE.get(mode) == "bf16" else 4
