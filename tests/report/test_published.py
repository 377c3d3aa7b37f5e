from dataclasses import replace

import pytest

from gan_zoo import text
from gan_zoo.report.published import published

SUITE = {
    "named": {
        "cgan": {"variant": "nsgan", "options": {"conditioning": "both"}, "title": ""},
        "dcgan": {"variant": "wgan_gp", "options": {}, "title": ""},
    }
}


@pytest.fixture(scope="module")
def results(make_results):
    statuses = {("dcgan", seed): "diverged" for seed in range(3)}
    return make_results(["gan", "cgan", "dcgan"], statuses=statuses, inception=True, suite=SUITE)


def rows(results):
    table = published(results)["table"]
    return [dict(zip(table.heads, cells, strict=True)) for _, cells in table.rows]


def test_published_value_beside_ours_in_the_order_of_the_ranking(results):
    cgan, dcgan = rows(results)
    value = next(entry.value for entry in results.entries if entry.variant == "cgan")
    assert (cgan["variant"], cgan["FID there (Inception)"], cgan["seeds here"]) == ("cgan", "6.8 ± 0.5", "3")
    assert cgan["FID here (mnist-cnn)"] == text.estimate(value.mean, value.low, value.high)
    assert (dcgan["variant"], dcgan["FID there (Inception)"]) == ("dcgan", "20.3 ± 5.0")
    assert (dcgan["FID here (mnist-cnn)"], dcgan["seeds here"]) == (text.NOTHING, "0 (3 of 3 failed)")
    assert "1711.10337" in published(results)["study"]


def test_differences_are_those_of_this_run(results):
    data = results.manifest["data"] | {"shape": [1, 32, 32]}
    found = " ".join(published(replace(results, manifest=results.manifest | {"data": data}))["differences"])
    for part in (
        *("mnist-cnn", "10,000 there, 2,000 here", "100 random settings", "3 seeds", "20 epochs at batch 64"),
        *("256,000 images at batch 128", "28 pixels", "images of 32", "cgan is nsgan with conditioning = both"),
    ):
        assert part in found
    assert "dcgan is" not in found  # a suite variant without options is the registered variant itself
    same = published(replace(results, manifest=results.manifest | {"num_samples": 10_000}))["differences"]
    assert not any("num_samples" in sentence for sentence in same)


@pytest.mark.parametrize("num_samples", [2_000, 10_000])
def test_our_inception_value_is_given_only_at_their_num_samples(results, num_samples):
    summary = results.summary.copy()
    summary.loc[summary["extractor"] == "inception", "num_samples"] = num_samples
    cgan, _ = rows(replace(results, summary=summary))
    assert bool(cgan.get("FID here (Inception)")) == (num_samples == 10_000)


@pytest.mark.parametrize("changed", [{"data": {"name": "digits", "title": "digits"}}, {"suite": {}}])
def test_nothing_for_other_data_nor_for_other_objectives(results, changed):
    found = published(replace(results, manifest=results.manifest | changed))
    assert (found["table"].rows, found["differences"]) == ([], [])
