import pytest
from timing import contest as module
from timing.contest import modes_of
from timing.rows import against_peaks


def test_ratios_are_taken_within_a_round(contest, rows):
    found = rows(
        contest({"tutorial": 100, "exact": 20}, {"tutorial": 200, "exact": 50}, {"tutorial": 120, "exact": 40})
    )
    exact = found["exact"]
    assert (exact["ratio_median"], exact["ratio_min"], exact["ratio_max"]) == pytest.approx((4.0, 3.0, 5.0))
    assert found["tutorial"]["ratio_median"] == found["tutorial"]["ratio_max"] == 1.0
    assert exact["ms_per_step"] == 40
    assert exact["images_per_second"] == pytest.approx(512e3 / 40)
    assert exact["rounds"] == 3
    assert exact["flops_difference"] == pytest.approx(0.01)


def test_spoiled_rounds_are_discarded_and_counted(contest, rows):
    made = contest({"exact": 10}, {"exact": 12}, {"exact": 99, "others": 0.06})
    assert (made.discarded, made.noisy) == (1, False)
    row = rows(made)["exact"]
    assert (row["ms_per_step"], row["rounds"], row["discarded"], row["noisy"]) == (11, 2, 1, False)


def test_a_load_that_is_not_known_spoils_nothing(contest):
    assert contest({"exact": 10, "others": None}).discarded == 0


def test_where_most_rounds_are_spoiled_the_table_is_noisy(contest, rows):
    one = contest({"exact": 10}, {"exact": 50, "others": 0.5}, {"exact": 60, "others": 0.5})
    assert one.noisy
    assert rows(one)["exact"]["ms_per_step"] == 10
    none = contest({"exact": 50, "others": 0.5}, {"exact": 60, "others": 0.5})
    assert none.noisy
    assert rows(none)["exact"]["ms_per_step"] == 55


def test_a_variant_without_a_tutorial_has_no_ratio(contest, rows, peaks):
    found = list(rows(contest({"exact": 10, "fast": 5}, variant="dcgan28")).values())
    against_peaks(found, peaks)
    assert {row["ratio_median"] for row in found} == {row["ratio_at_peak"] for row in found} == {None}
    assert all(row["share_of_peak"] for row in found)


def test_the_tutorial_names_its_fastest_number_of_workers(contest, rows):
    row = rows(contest({"tutorial": 100, "exact": 20}))["tutorial"]
    assert row["workers"] == 0
    assert row["images_per_second_by_workers"] == {"0": 5120.0, "2": 2560.0}


def test_the_peak_is_the_higher_one_in_the_modes_precision(contest, rows, peaks):
    found = list(rows(contest({"tutorial": 200, "exact": 60, "fast": 30})).values())
    against_peaks(found, None)
    assert found[1]["share_of_peak"] is None
    against_peaks(found, peaks)
    assert [row["share_of_peak"] for row in found] == pytest.approx([0.25, 100 / 120, 0.5])
    # At the peak a step of 6 GFLOP takes 50 ms in float32 and 15 ms in bfloat16.
    assert [row["ratio_at_peak"] for row in found] == pytest.approx([4.0, 4.0, 200 / 15])
    assert [row["share_of_roofline"] for row in found] == [row["share_of_peak"] for row in found]
    against_peaks(found, peaks | {"copy_bytes_per_second": 0.5e9})
    assert found[0]["share_of_roofline"] == pytest.approx(30e9 / (0.5e9 * 60))
    assert found[2]["flops_per_byte"] == 6e9 / (2 * 15e6 + 40e6)


def test_on_cuda_the_tutorial_convolves_in_tf32(contest, rows):
    cuda = {"matrix": {"fp32": 50e12, "tf32": 400e12}, "convolution": {"fp32": 40e12, "tf32": 300e12}}
    cuda["copy_bytes_per_second"] = 3e12
    found = list(rows(contest({"tutorial": 2, "exact": 1})).values())
    against_peaks(found, cuda)
    assert [row["share_of_peak"] for row in found] == pytest.approx([3e12 / 300e12, 6e12 / 50e12])


def test_modes_of_a_variant():
    assert modes_of("gan", "cpu") == ["tutorial", "in_memory", "exact", "fast"]
    assert modes_of("dcgan28", "cuda") == ["exact", "tf32", "fast"]


def test_rounds_go_on_until_enough_are_clean_up_to_a_cap(contest, monkeypatch):
    spoiled, clean = (contest({"exact": 10, "others": others}).rounds[0] for others in (0.5, 0.0))

    def rounds(*turns):
        left = iter(turns)
        monkeypatch.setattr(module, "worker", lambda *_: FakeWorker(left))
        setting = module.Setting("cpu", 1, 0.1, 2)
        monkeypatch.setattr(module, "modes_of", lambda *_: ["exact"])
        return module.contest("gan", setting, float("inf"), profile=False, say=lambda _: None).rounds

    class FakeWorker:
        def __init__(self, left):
            self.left, self.facts = left, {}

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def await_first_step(self):
            pass

        def ask(self, **_):
            return {}

        def timing(self, _):
            return next(self.left)["exact"]

    assert len(rounds(clean, clean, clean)) == 2
    assert len(rounds(clean, spoiled, clean, clean)) == 3
    assert len(rounds(*[spoiled] * 9)) == 6
