"""The samples, labels and latents of a batch."""

from itertools import chain, pairwise

import pytest
import torch
from scipy import stats

from gan_zoo.engine import draw, init
from gan_zoo.errors import GanZooError
from gan_zoo.latent import categorical, normal


@pytest.fixture
def begun(tiny, numbered):
    """Makes the first state of a tiny variant on so many numbered samples."""

    def make(n=20, name="gan", *, seed=0, data=None, dtype=torch.float32, **changes):
        return init(tiny(name, **changes), data or numbered(n), seed=seed, dtype=dtype)

    return make


def _numbers(batch):
    return ((batch.real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def _joined(batches):
    return list(chain.from_iterable(batches))


def _batches(state, count):
    return [_numbers(draw(state)) for _ in range(count)]


def test_every_sample_once_an_epoch_and_the_last_batch_smaller(begun):
    batches = _batches(begun(21), 9)
    assert [len(batch) for batch in batches] == [8, 8, 5] * 3
    epochs = [_joined(batches[start : start + 3]) for start in (0, 3, 6)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(21))
    assert all(a != b for a, b in pairwise([list(range(21)), *epochs]))


def test_a_leftover_of_one_is_left_out_of_its_epoch(begun):
    """Batch norm cannot take a batch of one."""
    batches = _batches(begun(17), 40)
    assert {len(batch) for batch in batches} == {8}
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        assert len(set(first + second)) == 16
    assert set(_joined(batches)) == set(range(17))


@pytest.mark.parametrize(("n", "packing", "sizes"), [(18, 1, [8, 8, 2, 8]), (23, 2, [8, 8, 6, 8])])
def test_the_smaller_last_batch_is_whole_packs(begun, n, packing, sizes):
    assert [len(batch) for batch in _batches(begun(n, packing=packing), 4)] == sizes


@pytest.mark.parametrize(("n", "an_epoch"), [(24, 4), (22, 3), (26, 4), (27, 4), (12, 2)])
def test_a_batch_is_whole_packs_of_different_samples(begun, n, an_epoch):
    """A batch of 8 has two packs of 3; what is left of an epoch and is less than two packs is left out of it."""
    batches = _batches(begun(n, packing=3), 3 * an_epoch)
    assert {len(batch) for batch in batches} == {6}
    epochs = [_joined(batches[start : start + an_epoch]) for start in range(0, 3 * an_epoch, an_epoch)]
    assert [len(set(epoch)) for epoch in epochs] == [6 * an_epoch] * 3
    assert epochs[0] != epochs[1]


def test_drawn_with_replacement(begun):
    batches = _batches(begun(sampling="replacement"), 500)
    assert {len(batch) for batch in batches} == {8}
    counts = torch.tensor(_joined(batches)).bincount(minlength=20)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert any(len(set(batch)) < 8 for batch in batches)


def test_labels_are_those_of_their_samples_and_fakes(begun):
    state = begun(21, "cgan")
    for _ in range(3):
        batch = draw(state)
        assert batch.labels.tolist() == [number % 10 for number in _numbers(batch)]
        assert torch.equal(batch.fakes.labels, batch.labels)
        assert batch.fakes.latent.shape == (len(batch.real), 100)


@pytest.mark.parametrize("changes", [{}, {"fake_batch_size": 12}])
def test_unconditional_fakes_have_no_labels(begun, changes):
    assert draw(begun(**changes)).fakes.labels is None


def test_fakes_of_their_own_number_have_labels_as_they_occur(begun, numbered):
    data = numbered(20, classes=3, labels=[0] * 10 + [1] * 6 + [2] * 4)
    state = begun(name="cgan", fake_batch_size=12, data=data)
    batches = [draw(state) for _ in range(200)]
    assert {(len(batch.fakes.latent), len(batch.fakes.labels)) for batch in batches} == {(12, 12)}
    counts = torch.cat([batch.fakes.labels for batch in batches]).bincount()
    assert stats.chisquare(counts.numpy(), [1200, 720, 480]).pvalue > 1e-3


def test_fakes_of_their_own_number_are_whole_packs(begun):
    batch = draw(begun(packing=3, fake_batch_size=10))
    assert (len(batch.real), len(batch.fakes.latent)) == (6, 9)


def test_the_seed_decides_the_draw(begun):
    first, again, other = (draw(begun(200, "cgan", seed=seed)) for seed in (0, 0, 1))
    assert _numbers(first) == _numbers(again)
    assert torch.equal(first.fakes.latent, again.fakes.latent)
    assert _numbers(first) != _numbers(other)
    assert not torch.equal(first.fakes.latent, other.fakes.latent)


def test_one_purpose_does_not_shift_another(begun):
    """Variants that differ in latents or fakes train on the same real samples."""
    changes = ({}, {"fake_batch_size": 20}, {"latent": normal(2) + categorical(3)})
    assert len({str(_batches(begun(50, **change), 9)) for change in changes}) == 1


def test_each_purpose_has_random_numbers_of_its_own(begun):
    """From one stream, the order of the samples and the latents would be correlated."""
    assert len({tuple(torch.rand(4, generator=generator).tolist()) for generator in begun().random.values()}) == 4


def test_samples_have_the_dtype_of_the_run(begun):
    batch = draw(begun(dtype=torch.float64))
    assert batch.real.dtype == batch.fakes.latent.dtype == torch.float64


@pytest.mark.parametrize(
    ("n", "packing", "key_words"),
    [
        (1, 1, "'numbered' has 1 training samples; a batch needs 2"),
        (5, 3, "has 5 training samples; a batch needs 6"),
        (7, 1, "has 7 training samples, fewer than the batch of 8: .*--set batch_size=7 .*preset"),
    ],
)
def test_a_set_too_small_is_one_clear_line(begun, n, packing, key_words):
    with pytest.raises(GanZooError, match=key_words) as raised:
        begun(n, packing=packing)
    assert "\n" not in str(raised.value)
    assert len(begun(8).data) == 8
