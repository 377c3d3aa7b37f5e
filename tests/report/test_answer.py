"""What the report says about differences: the answer, planned comparisons, failures."""

import pytest

from gan_zoo.report.answer import answer
from gan_zoo.report.methods import comparison_sentences, methods
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
    assert "worse: lsgan_linear; not significantly different: cgan" in comparison_sentences(separate)[0]
    places = [(entry.variant, entry.place) for entry in separate.entries]
    assert places == [("gan", "1"), ("cgan", "2="), ("lsgan_linear", "3"), ("real", "")]
    letters = {entry.variant: entry.letters for entry in separate.entries}
    assert (letters["gan"], letters["cgan"], letters["lsgan_linear"]) == ("a", "a", "b")
    first, second, third, _ = separate.entries
    assert first.to_best == (1.0, 1.0, 1.0)
    assert second.to_best[1] < 1 < second.to_best[2]
    assert 1 < third.to_best[1] < third.to_best[0] == pytest.approx(third.value.mean / first.value.mean)


def test_the_answer_names_leader_gap_cost_failures_and_seeds(separate):
    found = answer(separate)
    first, second, *_ = separate.entries
    assert found.leader == first
    assert found.headline.startswith(f"gan has the lowest FID on MNIST, {first.value.mean:.1f} [")
    ratio = f"{second.to_best[0]:.2f} [{second.to_best[1]:#.3g}, {second.to_best[2]:.2f}]"
    assert f"that of cgan, the next, is {ratio} times as high" in found.headline
    assert "Not significantly different: cgan; significantly higher: lsgan_linear." in found.headline
    assert all(part in found.trust for part in ("on the CPU", "none of 18 runs failed", "6 seeds", "num_samples 2,000"))


def test_a_leader_that_differs_from_all(make_results):
    headline = answer(make_results(["gan", "lsgan_linear"], seeds=6)).headline
    assert "significantly lower than all others" in headline


def test_changes_of_the_leader_are_named(make_results):
    def change(row):
        if row["row"] == "begin":
            change.variant = row["variant"]
        if row["row"] == "metrics" and change.variant == "gan" and row["fraction"] < 0.5:
            row["values"]["fid"] = 5_000.0
        return row

    notes = answer(make_results(["gan", "lsgan_linear"], seeds=3, change=change)).notes
    assert any(note.startswith("By the means, lsgan_linear leads at first, gan from ") for note in notes)
    assert not any("leads at first" in note for note in answer(make_results(["gan", "lsgan_linear"], seeds=3)).notes)


def test_a_variant_trained_on_more_images_is_not_ranked_with_the_others(make_results):
    def change(row):
        if row["row"] == "begin":
            change.variant = row["variant"]
        return row | {"images": 5 * row["images"]} if change.variant == "gan" and "images" in row else row

    found = make_results(["gan", "cgan", "lsgan_linear"], seeds=4, change=change)
    kinds = {entry.variant: (entry.kind, entry.rank, entry.letters) for entry in found.entries}
    assert kinds["gan"] == ("apart", None, "")
    assert [kinds[name][1] for name in ("cgan", "lsgan_linear")] == [1, 2]
    assert any("5.00 times the images" in note for note in answer(found).notes)
    assert answer(found).leader.variant == "cgan"


@pytest.mark.parametrize(
    ("facts", "part"),
    [
        ({"jobs": 2}, "with 2 runs in parallel"),
        ({"jobs": 1, "executor": "local"}, "with 1 run at a time"),
        ({"jobs": None, "executor": "ray"}, "Ray cluster"),
    ],
)
def test_seconds_name_what_ran_at_a_time_where_it_is_known(make_results, facts, part):
    seconds = dict(methods(make_results(["gan"], seeds=1, **facts), False))["Seconds"]
    assert part in seconds
    assert ("in parallel" in seconds, "nodes are equal" in seconds) == ("2 runs" in part, "Ray" in part)


def test_the_significance_level_is_named(separate, make_results):
    assert "significant at 2.5% (half of 5%" in dict(methods(separate, False))["Planned comparisons"]
    two = make_results(["gan", "lsgan_linear"], seeds=4)
    assert "significant at 5.0%." in dict(methods(two, False))["Planned comparisons"]


def test_one_variant_has_no_comparison(make_results):
    alone = make_results(["gan"], seeds=4)
    assert (comparison_table(alone).rows, comparison_sentences(alone)) == ([], [])
    assert "Planned comparisons" not in dict(methods(alone, False))


def test_two_seeds_are_not_tested(make_results):
    few = make_results(["gan", "lsgan_linear"], seeds=2)
    assert list(verdicts(few).values()) == ["too few seeds"]
    assert "not tested" in comparison_sentences(few)[0]
    assert "None was tested" in dict(methods(few, False))["Planned comparisons"]
    assert "2 seeds: no significance test" in answer(few).headline
    assert "(seeds: " in answer(few).headline
    assert {entry.letters for entry in few.entries} == {""}
    assert [entry.place for entry in few.entries] == ["1", "2", ""]
    assert not few.ranking()["tied"].any()


@pytest.mark.parametrize("few", ["gan", "lsgan_linear"])
def test_a_variant_with_too_few_seeds_is_not_tested(make_results, few):
    """The first of the ranking, against which nothing is tested then, or another."""
    found = make_results(["gan", "lsgan_linear"], seeds=4, statuses={(few, 0): "diverged", (few, 1): "diverged"})
    assert [entry.place for entry in found.entries] == ["1", "2", ""]
    assert found.ranking()["tied"].tolist() == [few != "gan", False, False]
    assert "significantly different" not in answer(found).headline


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
    assert any("not finite" in sentence and "gan (1)" in sentence for sentence in answer(found).notes)


def test_mostly_failed_variants_are_ranked_after_all_others(make_results):
    statuses = {("gan", seed): "diverged" for seed in range(3)} | {("cgan", 0): "diverged", ("cgan", 1): "diverged"}
    found = make_results(["gan", "cgan", "dcgan"], seeds=5, statuses=statuses)
    entries = {entry.variant: entry for entry in found.entries}
    assert entries["gan"].value.mean < entries["dcgan"].value.mean
    assert list(entries)[:3] == ["cgan", "dcgan", "gan"]
    assert (entries["gan"].failures.count, entries["gan"].failures.of) == (3, 5)
    assert any("Failed seeds" in sentence and "gan (3 of 5)" in sentence for sentence in answer(found).notes)


def test_an_untested_second_does_not_hide_the_others(make_results):
    statuses = {("cgan", seed): "diverged" for seed in (0, 1)}
    found = make_results(["gan", "cgan", "lsgan_linear"], seeds=4, statuses=statuses)
    headline = answer(found).headline
    assert "significantly lower than all tested others" in headline
    assert headline.endswith("Not tested: cgan.")


def test_a_second_that_mostly_failed_is_not_tested(make_results):
    statuses = {("cgan", seed): "diverged" for seed in range(4)}
    assert "most seeds of cgan failed" in answer(make_results(["gan", "cgan"], seeds=7, statuses=statuses)).headline


def test_a_value_that_is_not_positive_leaves_no_ratio(make_results):
    def change(row):
        if row["row"] == "begin":
            change.run = (row["variant"], row["seed"])
        if row["row"] == "metrics" and row["fraction"] == 1 and change.run == ("gan", 0):
            row["values"]["fid"] = -1.0
        return row

    found = make_results(["gan", "lsgan_linear"], seeds=4, change=change)
    assert "times as high" not in answer(found).headline


def test_of_two_budgets_the_more_common_one_is_ranked(make_results):
    def change(row):
        if row["row"] == "begin":
            change.variant = row["variant"]
        return row | {"images": 5 * row["images"]} if change.variant == "gan" and "images" in row else row

    found = make_results(["gan", "cgan"], seeds=4, change=change)
    assert [(entry.variant, entry.kind) for entry in found.entries][:2] == [("cgan", "ranked"), ("gan", "apart")]
    assert found.entries[1].budget == pytest.approx(5.0)
