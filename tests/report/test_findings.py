"""What the report says about differences: planned comparisons, the ranking, failures, overrides."""

import json
from dataclasses import replace

import pytest

from gan_zoo.bench.results import Results
from gan_zoo.bench.tables import read_records
from gan_zoo.report.context import overrides, write_report
from gan_zoo.report.findings import comparison_findings, findings
from gan_zoo.report.methods import methods
from gan_zoo.report.tables import comparison_table


@pytest.fixture(scope="module")
def separate(make_folder) -> Results:
    """Three variants of six seeds; the FIDs of the first two are close, that of the third is twice as large."""
    return read_records(make_folder(["gan", "cgan", "lsgan_linear"], seeds=6, inception=False))


def verdicts(results):
    return {cells[0]: cells[2] for _, cells in comparison_table(results).rows}


def test_a_planted_difference_is_significant_and_a_close_one_is_not(separate):
    assert verdicts(separate) == {
        "cgan against gan": "not significantly different",
        "lsgan_linear against gan": "worse",
    }
    text = " ".join(comparison_findings(separate))
    assert "worse: lsgan_linear; not significantly different: cgan" in text
    assert "Minimum detectable ratio" in text


def test_variants_that_are_not_different_from_the_best_are_marked(separate):
    assert [(entry.variant, entry.place) for entry in separate.ranking] == [
        ("gan", "1"),
        ("cgan", "2="),
        ("lsgan_linear", "3"),
        ("real", ""),
    ]
    assert any("marked =: cgan." in sentence for sentence in findings(separate))


def test_the_significance_level_is_named(separate, make_folder):
    assert "significant at 2.5% (half of 5%" in dict(methods(separate, False))["Planned comparisons"]
    two = read_records(make_folder(["gan", "lsgan_linear"], seeds=4, inception=False))
    assert "significant at 5.0%." in dict(methods(two, False))["Planned comparisons"]


def test_one_variant_has_no_comparison(make_folder):
    alone = read_records(make_folder(["gan"], seeds=4, inception=False))
    assert (comparison_table(alone).rows, comparison_findings(alone)) == ([], [])
    assert "Planned comparisons" not in dict(methods(alone, False))


def test_two_seeds_are_not_tested(make_folder):
    few = read_records(make_folder(["gan", "lsgan_linear"], seeds=2, inception=False))
    assert list(verdicts(few).values()) == ["too few seeds"]
    assert "not tested" in comparison_findings(few)[0]
    assert "None was tested" in dict(methods(few, False))["Planned comparisons"]
    assert any("no variant was tested" in sentence for sentence in findings(few))


def test_a_verdict_with_failed_seeds_has_a_condition(make_folder):
    statuses = {("lsgan_linear", 0): "diverged"}
    found = read_records(make_folder(["gan", "lsgan_linear"], seeds=6, statuses=statuses, inception=False))
    ((_, cells),) = comparison_table(found).rows
    assert (cells[2], cells[-1]) == ("worse (successful seeds only)", "5 (1 failed) and 6")


def test_a_successful_seed_without_a_value(make_folder):
    folder = make_folder(["gan", "cgan"], seeds=4, inception=False)
    path = folder / "records/gan-seed0-0a1b2c3d.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["row"] == "metrics" and row["fraction"] == 1:
            row["values"]["fid"] = None
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_records(folder)
    entries = {entry.variant: (entry.value.seeds, entry.successful) for entry in found.ranking}
    assert (entries["gan"], entries["cgan"]) == ((3, 4), (4, 4))
    assert any("not finite" in sentence and "gan (1)" in sentence for sentence in findings(found))


def test_mostly_failed_variants_are_ranked_after_all_others(make_folder):
    statuses = {("gan", seed): "diverged" for seed in range(3)} | {("cgan", 0): "diverged", ("cgan", 1): "diverged"}
    found = read_records(make_folder(["gan", "cgan", "dcgan"], seeds=5, statuses=statuses, inception=False))
    entries = {entry.variant: entry for entry in found.ranking}
    assert entries["gan"].value.mean < entries["dcgan"].value.mean
    assert [entry.variant for entry in found.ranking][:3] == ["cgan", "dcgan", "gan"]
    assert (entries["gan"].failures.count, entries["gan"].failures.of) == (3, 5)
    assert any("Failed seeds" in sentence and "gan (3 of 5)" in sentence for sentence in findings(found))


def test_common_overrides_are_listed_once(mixed_folder):
    entries = read_records(mixed_folder).ranking
    assert overrides(entries) == [("dcgan†", "batch 128 (article: 512); quarter width")]
    changed = [
        replace(entry, overrides=f"batch 128; {entry.variant} alone")
        for entry in entries
        if entry.variant in ("gan", "dcgan")
    ]
    assert dict(overrides(changed)) == {
        "all marked variants": "batch 128",
        "gan†": "gan alone",
        "dcgan†": "dcgan alone",
    }


def test_nothing_measured(make_folder):
    folder = make_folder(["gan"], seeds=1, inception=False, extractors={})
    assert "no ranking" in findings(read_records(folder))[0]
    assert "Nothing was measured" in (write_report(folder).parent / "report.md").read_text()
