"""When a run counts as collapsed."""

import pytest

from gan_zoo.bench.collapse import collapse


def reason(*, history=(), probability=True, real=10, **values):
    return collapse([{"values": {"fid": 3.0, **values}, "real_modes": real}], history, probability=probability)


def scores(*pairs):
    """History of equal blocks with these mean D(real), D(fake)."""
    return [
        {"images": 64 * (place + 1), "values": {"D(real)": real, "D(fake)": fake}}
        for place, (real, fake) in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("modes", "real", "collapsed"),
    [(2, 10, True), (3, 10, False), (1, 4, True), (9, 9, False), (2, 9, True), (3, 9, False)],
)
def test_a_quarter_of_what_real_images_show_is_the_bar(modes, real, collapsed):
    """Of a set with 150 even classes real images show few: generated ones that show as many have not collapsed."""
    assert bool(reason(modes=modes, real=real, recall=0.5)) is collapsed


@pytest.mark.parametrize(("modes", "recall", "collapsed"), [(4, 0.0, True), (4, 0.001, False), (5, 0.0, False)])
def test_fewer_than_half_of_the_classes_and_nothing_covered(modes, recall, collapsed):
    assert bool(reason(modes=modes, recall=recall)) is collapsed


@pytest.mark.parametrize(
    ("recall", "real", "fake", "collapsed"),
    [(0.0, 0.995, 0.005, True), (0.0, 0.98, 0.02, False), (0.2, 0.999, 0.001, False)],
)
def test_a_discriminator_that_has_won_against_a_generator_that_covers_nothing(recall, real, fake, collapsed):
    history = scores(*[(0.6, 0.4)] * 18, *[(real, fake)] * 2)
    assert bool(reason(modes=9, recall=recall, history=history)) is collapsed


def test_only_probabilities_of_the_last_tenth_of_training_count():
    assert not reason(modes=9, recall=0.0, history=scores(*[(1.0, 0.0)] * 17, *[(0.6, 0.4)] * 3))
    assert not reason(modes=9, recall=0.0, history=scores(*[(30.0, -30.0)] * 20), probability=False)


def test_the_reason_has_its_numbers():
    assert reason(modes=1, recall=0.0) == "modes 1 of 10"
    assert reason(modes=4, recall=0.0) == "modes 4 of 10, recall 0.000"
    result = reason(modes=9, recall=0.0, history=scores(*[(0.999, 0.001)] * 10))
    assert result == "D(real) - D(fake) = 0.998 at the end, recall 0.000"


def test_without_a_measure_there_is_no_reason():
    assert not reason(modes=0, recall=0.5, real=0), "too many even classes for any to hold one percent"
    assert not collapse([{"values": {"fid": 3.0}}], [], probability=True)
    assert not collapse([], [], probability=True)


def test_a_score_that_was_not_finite_is_skipped():
    history = [*scores((0.999, 0.001)), {"images": 128, "values": {"D(real)": None, "D(fake)": 0.1}}]
    assert reason(modes=9, recall=0.0, history=history)
