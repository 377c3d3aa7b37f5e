"""The figures as markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

Report = dict[str, Any]
_READING = """
- A **round** is a turn of every mode, one after another; figures are medians over rounds. A round in which other
  programs took more than 5% of the cores' time is discarded; `noisy` marks variants that lost more than half of their
  rounds.
- **tutorial** is the loop of `benchmarks/timing/tutorial.py`, in each round with the fastest of 0, 2 and 4 workers of
  the DataLoader; **in_memory** the same with its data as one tensor; **exact** and **fast** the engine in `fp32` and
  `bf16`.
- **ratio** is over `tutorial` in the same round: median [least, largest]. **ratio at peak** is what it would be if a
  step took just its operations at the machine's peak, the higher one of products and convolutions.
- **GFLOP/s** and **share of peak** count the products and convolutions that the engine's mathematics needs, in every
  mode: what the tutorial loop computes in vain does not count for it. **The roofline** is lower than the peak where a
  copy's bandwidth would not bring the bytes (optimizer, activations, weights: below) in time.
- **memory** is the peak: of the process (without a DataLoader's workers) on a CPU, allocated on CUDA.
- **first step** is from the start of the process; **warm-up** what the first steps took beyond later ones (compiling,
  capturing). On CUDA the processes of a variant begin side by side.
"""


def markdown(report: Report) -> str:
    """The whole report; what was not measured is left out."""
    machine, settings = report["machine"], report["settings"]
    facts = [
        f"{report['date']}, commit {report['commit'] or 'unknown'}, torch {machine['versions']['torch']}, "
        f"{settings['threads']} threads, {settings['rounds']} rounds wanted, turns of {settings['seconds']:g} s.",
        f"`{report['command']}`",
    ]
    parts = [f"# Speed on {machine['device']}", *facts]
    if report["rows"]:
        picture = f"![Roofline]({report['slug']}.png)" if report["peaks"] else ""
        parts += [_speed(report["rows"]), _READING.strip(), picture, "## What a step takes", _costs(report["rows"])]
    for title, key, write in (
        ("The machine's peaks", "peaks", _peaks),
        ("Evaluation", "evaluation", _evaluation),
        ("What the fast precision costs in quality", "quality", _quality),
        ("Several seeds together", "together", _together),
        ("Start-up", "startup", _startup),
        ("Where a step's time goes", "profile", _profile),
    ):
        if report[key]:
            parts += [f"## {title}", write(report[key])]
    if report["left_out"]:
        parts.append(f"Left out, as the time was up: {', '.join(report['left_out'])}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all columns but the first are numbers, aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None, form: str = "", factor: float = 1.0) -> str:
    """A number in a format, or else with three digits and no exponent; a dash where there is none."""
    if value is None:
        return "-"
    return format(value * factor, form or (",.0f" if value * factor >= 100 else ".3g"))


def _speed(rows: list[Report]) -> str:
    head = ("variant, mode", "images/s", "ms a step", "ratio", "ratio at peak", "GFLOP/s", "share of peak",
            "of the roofline", "memory, MiB", "first step, s", "warm-up, s", "rounds (discarded)", "note")  # fmt: skip
    return grid(head, (_speed_line(row) for row in rows))


def _speed_line(row: Report) -> list[str]:
    span = f" [{row['ratio_min']:.2f}, {row['ratio_max']:.2f}]" if row["ratio_median"] is not None else ""
    notes = [
        f"{row['workers']} workers" if "workers" in row else row["precision"],
        row["note"],
        "noisy" if row["noisy"] else "",
    ]
    return [
        f"`{row['variant']}` {row['mode']}",
        f"{row['images_per_second']:,.0f}",
        _number(row["ms_per_step"]),
        _number(row["ratio_median"], ".2f") + span,
        _number(row["ratio_at_peak"], ".1f"),
        _number(row["flops_per_second"], ",.0f", 1e-9),
        _number(row["share_of_peak"], ".0%"),
        _number(row["share_of_roofline"], ".0%"),
        _number(row["peak_memory_bytes"], ",.0f", 2**-20),
        _number(row["first_step_seconds"], ".1f"),
        _number(row["warm_up_seconds"], ".1f"),
        f"{row['rounds']} ({row['discarded']})",
        ", ".join(filter(None, notes)),
    ]


def _quality(rows: list[Report]) -> str:
    head = ("variant", "exact", "fast", "difference", "95% interval", "seeds")
    first = rows[0]
    said = (
        f"FID ({first['extractor']}, N = {first['n']:,}) at the end of the budget of the suite `precision`, mean "
        f"over the seeds that survived, in fp32 and in {first['precision']}; the interval is Welch's, of the "
        "difference of means."
    )
    return said + "\n\n" + grid(head, (_quality_line(row) for row in rows))


def _quality_line(row: Report) -> list[str]:
    return [
        f"`{row['variant']}`",
        f"{row['fid_exact']:.2f}",
        f"{row['fid_fast']:.2f}",
        f"{row['difference']:+.2f}",
        f"{row['low']:+.2f} to {row['high']:+.2f}",
        f"{row['seeds_exact']}, {row['seeds_fast']}",
    ]


def _together(rows: list[Report]) -> str:
    head = ("variant", "seeds", "one after another, images/s", "side by side, images/s", "ratio", "run as")
    return grid(head, (_together_line(row) for row in rows))


def _together_line(row: Report) -> list[str]:
    return [
        f"`{row['variant']}` {row['precision']}",
        str(row["seeds"]),
        f"{row['apart_images_per_second']:,.0f}",
        f"{row['together_images_per_second']:,.0f}",
        f"{row['ratio_median']:.2f} [{row['ratio_min']:.2f}, {row['ratio_max']:.2f}]",
        row["execution"],
    ]


def _costs(rows: list[Report]) -> str:
    head = ("variant", "GFLOP", "by torch's counter", "optimizer, MB", "activations, MB", "weights, MB", "FLOP a byte")
    exact = (row for row in rows if row["mode"] == "exact")
    return grid(head, (_cost_line(row) for row in exact)) + "\n\nIn float32; bfloat16 halves activations and weights."


def _cost_line(row: Report) -> list[str]:
    return [
        f"`{row['variant']}`",
        _number(row["flops_per_step"], ",.1f", 1e-9),
        f"{row['flops_difference']:+.2%}",
        _number(row["optimizer_bytes_per_step"], ",.0f", 1e-6),
        _number(row["activation_bytes_per_step"], ",.0f", 1e-6),
        _number(row["weight_bytes_per_step"], ",.0f", 1e-6),
        _number(row["flops_per_byte"], ",.0f"),
    ]


def _peaks(peaks: Report) -> str:
    precisions = list(peaks["matrix"])
    head = ("GFLOP/s, best of several", *precisions)
    highest = [
        [f"**{kind}**", *(_number(peaks[kind][precision], ",.0f", 1e-9) for precision in precisions)]
        for kind in ("matrix", "convolution")
    ]
    shapes = [
        [name, *(_number(peaks["by_shape"][precision][name], ",.0f", 1e-9) for precision in precisions)]
        for name in peaks["by_shape"][precisions[0]]
    ]
    return (
        f"{grid(head, highest + shapes)}\n\nCopy: {peaks['copy_bytes_per_second'] / 1e9:,.1f} GB/s, read and written."
    )


def _evaluation(costs: Report) -> str:
    head = (f"seconds per {costs['n']:,} images, `{costs['extractor']}`", "s")
    lines = [[name, _number(seconds)] for name, seconds in costs["seconds"].items()]
    lines.append(["statistics of the real images, once and cached", _number(costs["statistics_of_real_images_once"])])
    share = costs["share_of_run"]
    if share is None:
        return grid(head, lines)
    return (
        f"{grid(head, lines)}\n\nIn `{share['results']}`, {share['cells']} cells: {share['evaluation_seconds']:,.1f} s "
        f"of evaluation beside {share['training_seconds']:,.1f} s of training, **{share['share']:.1%}** of both; peak "
        f"memory {_number(share['peak_memory_bytes'], ',.0f', 2**-20)} MiB."
    )


def _startup(times: Report) -> str:
    names = {
        "python_seconds": "`python -c pass`",
        "help_seconds": "`gan-zoo --help`",
        "import_torch_seconds": "`import torch`",
        "bench_to_first_step_seconds": "`gan-zoo bench mnist --preset smoke` to its first step",
    }
    return grid(("from the start of the process", "s"), ([name, _number(times[key])] for key, name in names.items()))


def _profile(profiles: Report) -> str:
    columns = [(variant, mode) for variant, modes in profiles.items() for mode in modes]
    totals: dict[str, float] = {}
    for variant, mode in columns:
        for name, milliseconds in profiles[variant][mode].items():
            totals[name] = totals.get(name, 0.0) + milliseconds
    head = ("ms a step", *(f"{variant} {mode}" for variant, mode in columns))
    lines = [
        [name, *(_number(profiles[variant][mode].get(name, 0.0), ",.2f") for variant, mode in columns)]
        for name in sorted(totals, key=totals.__getitem__, reverse=True)
    ]
    return grid(head, lines) + "\n\nBy torch's profiler, which slows small operations down: shares, not speeds."
