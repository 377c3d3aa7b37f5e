"""What the report says about differences: planned comparisons, the ranking, failures, overrides."""

from dataclasses import replace

import pytest

from gan_zoo.report.context import overrides
from gan_zoo.report.findings import comparison_findings, findings, methods
from gan_zoo.report.tables import comparison_table


@pytest.fixture(scope="module")
def separate(make_results):
    """Three variants of six seeds; the FIDs of the first two are close, that of the third is twice as large."""
    return make_results(["gan", "cgan", "lsgan_linear"], seeds=6)


def verdicts(results):
    return {cells[0]: cells[2] for _, cells in comparison_table(results).rows}


def test_a_planted_difference_is_significant_and_a_close_one_is_not(separate):
    assert verdicts(separate) == {
        "cgan against gan": "not significantly different",
        "lsgan_linear against gan": "worse",
    }
    assert "worse: lsgan_linear; not significantly different: cgan" in comparison_findings(separate)[0]
    places = [(entry.variant, entry.place) for entry in separate.entries]
    assert places == [("gan", "1"), ("cgan", "2="), ("lsgan_linear", "3"), ("real", "")]
    assert any("marked =: cgan." in sentence for sentence in findings(separate))


def test_the_significance_level_is_named(separate, make_results):
    assert "significant at 2.5% (half of 5%" in dict(methods(separate, False))["Planned comparisons"]
    two = make_results(["gan", "lsgan_linear"], seeds=4)
    assert "significant at 5.0%." in dict(methods(two, False))["Planned comparisons"]


def test_one_variant_has_no_comparison(make_results):
    alone = make_results(["gan"], seeds=4)
    assert (comparison_table(alone).rows, comparison_findings(alone)) == ([], [])
    assert "Planned comparisons" not in dict(methods(alone, False))


def test_two_seeds_are_not_tested(make_results):
    few = make_results(["gan", "lsgan_linear"], seeds=2)
    assert list(verdicts(few).values()) == ["too few seeds"]
    assert "not tested" in comparison_findings(few)[0]
    assert "None was tested" in dict(methods(few, False))["Planned comparisons"]
    assert any("no variant was tested" in sentence for sentence in findings(few))
    assert [entry.place for entry in few.entries] == ["1", "2", ""]
    assert not few.ranking()["tied"].any()


@pytest.mark.parametrize("few", ["gan", "lsgan_linear"])
def test_a_variant_with_too_few_seeds_is_not_tested(make_results, few):
    """The first of the ranking, against which nothing is tested then, or another."""
    found = make_results(["gan", "lsgan_linear"], seeds=4, statuses={(few, 0): "diverged", (few, 1): "diverged"})
    assert [entry.place for entry in found.entries] == ["1", "2", ""]
    assert found.ranking()["tied"].tolist() == [few != "gan", False, False]
    sentences = " ".join(findings(found))
    assert f"not tested: {few}" in sentences
    assert "significantly different from it" not in sentences


def test_a_verdict_with_failed_seeds_has_a_condition(make_results):
    found = make_results(["gan", "lsgan_linear"], seeds=6, statuses={("lsgan_linear", 0): "diverged"})
    ((_, cells),) = comparison_table(found).rows
    assert (cells[2], cells[-1]) == ("worse (successful seeds only)", "5 (1 failed) and 6")


def test_a_successful_seed_without_a_value(make_results):
    begun = {}

    def without_fid(row):
        begun.update(row if row["row"] == "begin" else {})
        if (begun["variant"], begun["seed"]) == ("gan", 0) and row["row"] == "metrics" and row["fraction"] == 1:
            row["values"]["fid"] = None
        return row

    found = make_results(["gan", "cgan"], seeds=4, change=without_fid)
    entries = {entry.variant: (entry.value.seeds, entry.successful) for entry in found.entries}
    assert (entries["gan"], entries["cgan"]) == ((3, 4), (4, 4))
    assert any("not finite" in sentence and "gan (1)" in sentence for sentence in findings(found))


def test_mostly_failed_variants_are_ranked_after_all_others(make_results):
    statuses = {("gan", seed): "diverged" for seed in range(3)} | {("cgan", 0): "diverged", ("cgan", 1): "diverged"}
    found = make_results(["gan", "cgan", "dcgan"], seeds=5, statuses=statuses)
    entries = {entry.variant: entry for entry in found.entries}
    assert entries["gan"].value.mean < entries["dcgan"].value.mean
    assert list(entries)[:3] == ["cgan", "dcgan", "gan"]
    assert (entries["gan"].failures.count, entries["gan"].failures.of) == (3, 5)
    assert any("Failed seeds" in sentence and "gan (3 of 5)" in sentence for sentence in findings(found))


def test_common_overrides_are_listed_once(mixed):
    assert overrides(mixed.entries) == [("dcgan†", "batch 128 (article: 512); quarter width")]
    marked = [entry for entry in mixed.entries if entry.variant in ("gan", "dcgan")]
    changed = [replace(entry, overrides=f"batch 128; {entry.variant} alone") for entry in marked]
    expected = {"all marked variants": "batch 128", "gan†": "gan alone", "dcgan†": "dcgan alone"}
    assert dict(overrides(changed)) == expected
