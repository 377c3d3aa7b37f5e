"""Latents: their distributions against scipy's, their parts, and their text."""

import pytest
import torch
from scipy import stats

from gan_zoo.errors import GanZooError
from gan_zoo.latent import Latent, Part, categorical, normal, parse, truncated_normal, uniform

N = 20_000


def _values(latent):
    return latent.draw(N // latent.size, random=torch.Generator().manual_seed(1), dtype=torch.float64).flatten().numpy()


@pytest.mark.parametrize(
    ("latent", "law"),
    [
        (uniform(4), stats.uniform(0, 1)),
        (uniform(4, -1, 1), stats.uniform(-1, 2)),
        (normal(4), stats.norm()),
        (truncated_normal(4), stats.truncnorm(-1, 1)),
        (truncated_normal(4, 0.7, 1.2), stats.truncnorm(0.7, 1.2)),
        (truncated_normal(4, 0.0, 0.3), stats.truncnorm(0.0, 0.3)),
    ],
    ids=lambda value: value.dist.name if hasattr(value, "dist") else str(value),
)
def test_values_follow_the_law(latent, law):
    """A Kolmogorov-Smirnov test, which a wrong bound or deviation of 2% fails; the draw is seeded."""
    values = _values(latent)
    assert stats.kstest(values, law.cdf).pvalue > 1e-3
    assert values.mean() == pytest.approx(law.mean(), abs=5 * law.std() / len(values) ** 0.5)
    low, high = law.support()
    assert low <= values.min()
    assert values.max() <= high


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (3.0, 4.0), (-6.0, 6.0)])
def test_truncated_values_are_finite_and_inside(dtype, bounds):
    values = truncated_normal(100, *bounds).draw(2000, random=torch.Generator().manual_seed(0), dtype=dtype)
    assert values.dtype == dtype
    assert values.isfinite().all()
    assert values.min() >= bounds[0]
    assert values.max() <= bounds[1]


def test_values_of_a_vector_are_independent():
    values = normal(3).draw(N, random=torch.Generator().manual_seed(2))
    assert (values.T.corrcoef() - torch.eye(3)).abs().max() < 5 / N**0.5


def test_categories_are_one_hot_and_as_likely():
    values = categorical(5).draw(N, random=torch.Generator().manual_seed(3))
    assert values.shape == (N, 5)
    assert torch.equal(values.sum(1), torch.ones(N))
    assert set(values.unique().tolist()) == {0.0, 1.0}
    assert stats.chisquare(values.sum(0).numpy()).pvalue > 1e-3


def test_parts_are_split_by_name_and_in_order():
    latent = normal(3) + categorical(4) + uniform(2, -1, 1, name="code")
    vectors = torch.arange(18.0).view(2, 9)
    parts = latent.split(vectors)
    assert latent.size == 9
    assert {name: value.tolist() for name, value in parts.items()} == {
        "noise": [[0, 1, 2], [9, 10, 11]],
        "category": [[3, 4, 5, 6], [12, 13, 14, 15]],
        "code": [[7, 8], [16, 17]],
    }
    drawn = latent.split(latent.draw(50, random=torch.Generator().manual_seed(0)))
    assert torch.equal(drawn["category"].sum(1), torch.ones(50))
    assert drawn["code"].min() < 0


def test_a_draw_repeats_with_its_seed():
    latent = normal(3) + categorical(4)
    first, again, other = (latent.draw(6, random=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "text",
    [
        "100 uniform [0, 1)",
        "2 uniform [-1.5, 0.25)",
        "1 uniform [0.123456789, 2)",
        "3 uniform [-1e-07, 1e+20)",
        "100 normal",
        "100 truncated_normal [-1, 1]",
        "62 normal + 10 categorical + 2 uniform [-1, 1)",
    ],
)
def test_text_comes_back(text):
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


def test_text_says_the_whole_bound():
    """The text is part of a run's identity: two latents that differ must not share it."""
    assert str(uniform(2, 0, 0.1234567)) != str(uniform(2, 0, 0.1234568))


def test_text_with_defaults():
    assert parse("100 uniform") == uniform(100)
    assert parse("100 normal") == normal(100)
    assert parse("7  truncated_normal[-1,1]") == truncated_normal(7)
    assert parse("7 truncated_normal") == truncated_normal(7)
    assert [part.size for part in parse("62 normal + 10 categorical").parts] == [62, 10]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("normal", "not of the form"),
        ("", "not of the form"),
        ("100 normal +", "not of the form"),
        ("-3 normal", "not of the form"),
        ("100 uniform [0]", "not of the form"),
        ("100 uniform [0, 1.2.3)", "not of the form"),
        ("100 normla", "did you mean 'normal'"),
        ("0 normal", "at least 1"),
        ("4 uniform [1, 0)", "low"),
        ("4 truncated_normal [1, 1]", "low"),
    ],
)
def test_bad_text_is_one_clear_line(text, words):
    with pytest.raises(GanZooError, match=words) as error:
        parse(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Latent(()), "part"),
        (lambda: normal(3) + uniform(2), "'noise'"),
        (lambda: Part("noise", 3, "unifrom"), "did you mean 'uniform'"),
    ],
)
def test_what_is_no_latent_is_refused(make, words):
    with pytest.raises(GanZooError, match=words):
        make()


def test_normal_parts_move_on_a_great_circle_and_others_on_a_line():
    latent = normal(2) + uniform(1, name="code")
    path = latent.interpolate(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 1.0]), 3)
    expected = torch.tensor([[1.0, 0.0, 0.0], [0.5**0.5, 0.5**0.5, 0.5], [0.0, 1.0, 1.0]])
    torch.testing.assert_close(path, expected)
    same = latent.interpolate(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([2.0, 2.0, 0.0]), 2)
    torch.testing.assert_close(same, torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0]]))
    with pytest.raises(GanZooError, match="1 steps"):
        latent.interpolate(torch.zeros(3), torch.zeros(3), 1)
