import json
import math
from dataclasses import replace

import pytest
from scipy import stats

from gan_zoo.errors import DamagedFileError, GanZooError
from gan_zoo.studies.records import Measure, PictureFile, Record, Value, merged, read_record, summarize, write_record

SHARE = Measure("share", "Share", "higher", "Share of images.", (0.0, 1.0))
SIDE = Measure("side", "Side", "", "Side by side.", difference=False)


def made(values, measures=(SHARE,), **others):
    facts = {"title": "T", "question": "Q?", "reading": "R.", "source": "S", **others}
    return Record(study="walk", measures=list(measures), values=values, **facts)


def values(variant="gan", measure="share", **conditions):
    return [
        Value(variant, seed, measure, condition, value)
        for condition, found in conditions.items()
        for seed, value in enumerate(found)
    ]


def test_a_record_is_read_as_it_was_written(tmp_path):
    pictures = [PictureFile("gan", 0, "walk/a.webp", "c", "walk/a.png", 2.0)]
    record = made(values(trained=[0.5, 0.25]), pictures=pictures, settings={"steps": 8}, notes=["n"])
    assert write_record(tmp_path, record) == tmp_path / "walk.json"
    assert read_record(tmp_path / "walk.json") == record


def test_other_runs_of_the_same_settings_stay_in_a_record(tmp_path):
    picture = PictureFile("gan", 0, "walk/a.png", "c")
    write_record(tmp_path, made(values("gan", a=[0.1, 0.2]), pictures=[picture], notes=["n"], settings={"k": 1}))
    again = made([Value("gan", 1, "share", "a", 0.9), *values("cgan", a=[0.5])], settings={"k": 1})
    found = merged(tmp_path, again)
    assert [(each.variant, each.seed, each.value) for each in found.values] == [
        ("gan", 0, 0.1),
        ("gan", 1, 0.9),
        ("cgan", 0, 0.5),
    ]
    assert list(found.pictures) == [picture]
    assert list(found.notes) == ["n"]


def test_a_record_of_other_settings_is_replaced(tmp_path):
    write_record(tmp_path, made(values("gan", a=[0.1]), settings={"k": 1}))
    again = made(values("cgan", a=[0.5]), settings={"k": 2})
    assert merged(tmp_path, again) == again


def test_a_value_that_is_not_finite_stays_one(tmp_path):
    write_record(tmp_path, made(values(trained=[math.nan, 0.5])))
    found = read_record(tmp_path / "walk.json")
    assert math.isnan(found.values[0].value)
    assert summarize(found)[0].conditions["trained"].seeds == 1


def test_intervals_over_seeds_are_students():
    trained, random = [0.61, 0.58, 0.66], [0.11, 0.09, 0.13]
    summary = summarize(made(values(trained=trained, random=random)))[0]
    low, high = stats.t.interval(0.95, 2, sum(trained) / 3, stats.sem(trained))
    estimate = summary.conditions["trained"]
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((sum(trained) / 3, low, high))
    paired = stats.ttest_rel(trained, random).confidence_interval()
    apart = summary.differences["random"]
    assert (apart.low, apart.high) == pytest.approx((paired.low, paired.high))


def test_seeds_are_paired_by_number_not_by_place():
    rows = [
        Value("gan", 0, "share", "trained", 0.5),
        Value("gan", 1, "share", "trained", 0.7),
        Value("gan", 1, "share", "random", 0.6),
        Value("gan", 0, "share", "random", 0.4),
        Value("gan", 2, "share", "random", 0.9),
    ]
    apart = summarize(made(rows))[0].differences["random"]
    assert (apart.mean, apart.seeds) == (pytest.approx(0.1), 2)


def test_an_interval_ends_at_the_bounds_of_the_measure():
    estimate = summarize(made(values(trained=[0.99, 0.9, 1.0])))[0].conditions["trained"]
    assert estimate.high == 1
    assert estimate.low < 0.9


def test_one_seed_has_no_interval():
    estimate = summarize(made(values(trained=[0.5])))[0].conditions["trained"]
    assert (estimate.mean, estimate.method) == (0.5, "one seed")
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def test_a_measure_without_differences_has_none():
    summary = summarize(made(values(measure="side", a=[1, 2], b=[3, 4]), [SIDE]))[0]
    assert summary.differences == {}
    assert list(summary.conditions) == ["a", "b"]


def test_each_variant_and_measure_has_a_summary():
    rows = [*values("gan", a=[1.0]), *values("cgan", a=[2.0]), *values("gan", "side", a=[3.0])]
    found = summarize(made(rows, [SHARE, SIDE]))
    assert [(each.variant, each.measure.name) for each in found] == [
        ("gan", "share"),
        ("cgan", "share"),
        ("gan", "side"),
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "gan-zoo study 2"),
        ("values", [{"variant": "gan", "seed": -1, "measure": "share", "condition": "a", "value": 1.0}]),
        ("values", [{"variant": "gan", "seed": 0, "measure": "share", "condition": "a", "value": "1"}]),
        ("measures", [{"name": "share"}]),
        ("title", 3),
        ("study", "filters"),
    ],
)
def test_a_damaged_record_is_one_line_that_names_the_key(tmp_path, key, value):
    path = write_record(tmp_path, made(values(trained=[0.5])))
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DamagedFileError, match=key) as error:
        read_record(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "[1]", "{", "\x00"])
def test_a_file_that_is_no_record_is_one_line(tmp_path, content):
    path = tmp_path / "walk.json"
    path.write_text(content)
    with pytest.raises(DamagedFileError, match=r"walk\.json"):
        read_record(path)


@pytest.mark.parametrize("field", ["file", "still"])
def test_a_picture_outside_of_the_folder_is_refused(tmp_path, field):
    picture = replace(PictureFile("gan", 0, "walk/a.png", "c"), **{field: "../../secret.png"})
    write_record(tmp_path, made(values(trained=[0.5]), pictures=[picture]))
    with pytest.raises(GanZooError, match="outside"):
        read_record(tmp_path / "walk.json")
