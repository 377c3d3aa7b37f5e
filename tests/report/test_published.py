from dataclasses import replace

import pytest

from gan_zoo import text
from gan_zoo.bench.records import read_manifest
from gan_zoo.bench.tables import read_records
from gan_zoo.report.published import published_table

NAMED = {
    "named": {
        "cgan": {"variant": "nsgan", "options": {"conditioning": "both"}, "title": ""},
        "dcgan": {"variant": "wgan_gp", "options": {}, "title": ""},
    }
}


def results_of(folder, **manifest):
    results = read_records(folder)
    return replace(results, manifest=results.manifest | manifest)


def test_published_value_beside_ours_in_the_order_of_the_ranking(make_folder):
    results = results_of(make_folder(["gan", "cgan", "dcgan"], inception=False), suite=NAMED)
    table = published_table(results)
    assert [row["variant"] for row in table["rows"]] == [
        e.label for e in results.ranking if e.variant in NAMED["named"]
    ]
    rows = {row["variant"]: row for row in table["rows"]}
    assert rows["cgan"]["published"] == "6.8 ± 0.5"
    assert rows["dcgan†"]["published"] == "20.3 ± 5.0"
    value = next(entry.value for entry in results.ranking if entry.variant == "cgan")
    assert rows["cgan"]["ours"].startswith(f"{value.mean:.1f} [")
    assert table["extractor"] == "mnist-cnn"
    assert "1711.10337" in table["study"]


def test_differences_are_those_of_this_run(make_folder):
    folder = make_folder(["cgan", "dcgan"], inception=False)
    data = read_manifest(folder)["data"] | {"shape": [1, 32, 32]}
    said = " ".join(published_table(results_of(folder, suite=NAMED, data=data))["differences"])
    for part in (
        *("mnist-cnn", "10,000 there, 2,000 here", "100 random settings", "3 seeds", "20 epochs at batch 64"),
        *("256,000 images at batch 128", "28 pixels", "images of 32", "cgan is nsgan with conditioning = both"),
    ):
        assert part in said
    assert "dcgan is" not in said  # an entry without options is the registered variant itself
    same = " ".join(published_table(results_of(folder, suite=NAMED, n=10_000))["differences"])
    assert "num_samples" not in same


@pytest.mark.parametrize("n", [2_000, 10_000])
def test_our_inception_value_stands_there_only_at_their_n(make_folder, n):
    results = results_of(make_folder(["cgan"]), suite=NAMED)
    results.summary.loc[results.summary["extractor"] == "inception", "num_samples"] = n
    table = published_table(results)
    assert table["inception"] == (n == 10_000)
    assert bool(table["rows"][0]["inception"]) == (n == 10_000)


@pytest.mark.slow
def test_nothing_for_other_data_nor_for_other_objectives(make_folder):
    folder = make_folder(["gan", "cgan"], inception=False)
    other = {"name": "digits", "title": "digits", "requested": "digits"}
    assert published_table(results_of(folder, suite=NAMED, data=other))["rows"] == []
    none = published_table(results_of(folder))
    assert (none["rows"], none["differences"]) == ([], [])


@pytest.mark.slow
def test_all_seven_are_there_for_both_data_sets(make_folder):
    names = ["mmgan", "nsgan", "lsgan_dcgan", "wgan", "wgan_gp", "dragan", "began"]
    folder = make_folder(["gan"], seeds=1, inception=False)
    for data in ("mnist", "fashion_mnist"):
        said = set()
        for name in names:
            named = {"named": {"gan": {"variant": name, "options": {}}}}
            facts = read_manifest(folder)["data"] | {"name": data}
            (row,) = published_table(results_of(folder, suite=named, data=facts))["rows"]
            said.add((row["study"], row["published"]))
        assert len(said) == len(names)


def test_a_variant_without_a_successful_seed_has_a_row_with_its_failures(make_folder):
    statuses = {("cgan", seed): "diverged" for seed in range(3)}
    results = results_of(make_folder(["cgan", "gan"], inception=False, statuses=statuses), suite=NAMED)
    (row,) = published_table(results)["rows"]
    assert (row["ours"], row["seeds"]) == (text.NOTHING, "0 (3 of 3 failed)")
