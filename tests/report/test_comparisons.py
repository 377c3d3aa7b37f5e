"""What the report says of differences: declared contrasts, who is tied with the best, failures in the ranking."""

import json

import pytest

from gan_zoo.bench.records import read_manifest
from gan_zoo.bench.tables import Results, tables
from gan_zoo.report import comparisons
from gan_zoo.report.context import departures
from gan_zoo.report.findings import findings, rank


def results_of(folder) -> Results:
    return Results(**tables(folder), manifest=read_manifest(folder))


@pytest.fixture(scope="module")
def apart(make_folder) -> Results:
    """Three variants of six seeds; the made-up FIDs of the first two lie close, that of the third is twice as large."""
    return results_of(make_folder(["gan", "cgan", "lsgan_linear"], seeds=6, inception=False))


def test_a_planted_difference_is_declared_and_a_close_one_is_not(apart):
    verdicts = {row["pair"]: row["verdict"] for row in comparisons.rows(apart)}
    assert verdicts == {"cgan against gan": "no difference shown", "lsgan_linear against gan": "worse"}
    said = " ".join(comparisons.sentences(apart))
    tests = "Welch on FID of surviving seeds, Holm over 2 comparisons"
    assert f"Against gan ({tests}), worse: lsgan_linear; no difference shown: cgan." in said
    assert "Smallest ratio that these seeds would have shown in 80% of such runs" in said


def test_who_is_tied_with_the_best_is_marked(apart):
    assert [(entry.variant, entry.place) for entry in rank(apart)] == [
        ("gan", "1"), ("cgan", "2="), ("lsgan_linear", "3"), ("real", ""),
    ]  # fmt: skip
    assert "cgan is tied with the best, marked =" in " ".join(findings(apart, rank(apart)))


def test_the_bar_for_adjusted_p_is_named(apart, make_folder):
    assert "to be held against 2.5% (half of 5%; the ties of the ranking have the other half)" in (
        comparisons.explanation(apart)
    )
    two = results_of(make_folder(["gan", "lsgan_linear"], seeds=4, inception=False))
    assert "to be held against 5.0%:" in comparisons.explanation(two)


def test_one_variant_is_compared_with_nothing(make_folder):
    alone = results_of(make_folder(["gan"], seeds=4, inception=False))
    assert (comparisons.rows(alone), comparisons.sentences(alone), comparisons.explanation(alone)) == ([], [], "")


def test_two_seeds_are_compared_but_not_judged(make_folder):
    few = results_of(make_folder(["gan", "lsgan_linear"], seeds=2, inception=False))
    assert [row["verdict"] for row in comparisons.rows(few)] == ["too few seeds"]
    assert comparisons.sentences(few) == ["1 comparison not tested: fewer than 3 surviving seeds."]
    assert comparisons.explanation(few).startswith("Nothing was tested")
    assert "no significance can be claimed of any variant" in " ".join(findings(few, rank(few)))


def test_verdicts_of_survivors_say_so(make_folder):
    statuses = {("lsgan_linear", 0): "diverged"}
    found = results_of(make_folder(["gan", "lsgan_linear"], seeds=6, statuses=statuses, inception=False))
    (row,) = comparisons.rows(found)
    assert (row["verdict"], row["seeds"]) == ("worse if it survives", "5 (1 failed) and 6")


def test_a_survivor_without_a_value_is_told(make_folder):
    folder = make_folder(["gan", "cgan"], seeds=4, inception=False)
    path = folder / "cells/gan-seed0-0a1b2c3d.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["row"] == "metrics" and row["fraction"] == 1:
            row["values"]["fid"] = None
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = results_of(folder)
    entries = {entry.variant: entry for entry in rank(found)}
    assert (entries["gan"].seeds, entries["gan"].survivors, entries["cgan"].seeds) == (3, 4, 4)
    assert "whose value was not finite are in no mean: gan (1)" in " ".join(findings(found, rank(found)))


def test_a_variant_that_fails_more_often_than_not_is_ranked_after_all_others(make_folder):
    statuses = {("gan", seed): "diverged" for seed in range(3)} | {("cgan", 0): "diverged", ("cgan", 1): "diverged"}
    found = results_of(make_folder(["gan", "cgan", "dcgan"], seeds=5, statuses=statuses, inception=False))
    entries = {entry.variant: entry for entry in rank(found)}
    assert entries["gan"].value.mean < entries["dcgan"].value.mean
    assert [entry.variant for entry in rank(found)][:3] == ["cgan", "dcgan", "gan"]
    assert (entries["gan"].failures.count, entries["gan"].failures.of) == (3, 5)
    assert "gan (3 of 5)" in " ".join(findings(found, rank(found)))


def test_what_all_departures_have_in_common_is_said_once(mixed_folder, make_folder):
    entries = rank(results_of(mixed_folder))
    assert departures(entries) == [("dcgan†", "batch 128 (article: 512); quarter width")]
    both = [entry for entry in entries if entry.variant in ("gan", "dcgan")]
    changed = [type(both[0])(**(vars(entry) | {"departures": f"batch 128; {entry.variant} alone"})) for entry in both]
    assert dict(departures(changed)) == {
        "all variants marked so": "batch 128", "gan†": "gan alone", "dcgan†": "dcgan alone",
    }  # fmt: skip
