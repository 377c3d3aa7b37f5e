"""Which samples, labels and latents a step is given."""

from itertools import chain, pairwise

import pytest
import torch
from scipy import stats

from gan_zoo.engine import draw, init
from gan_zoo.errors import GanZooError
from gan_zoo.latent import categorical, normal


def _numbers(batch):
    return ((batch.real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def _joined(batches):
    return list(chain.from_iterable(batches))


def _epochs(state, batches):
    return [_numbers(draw(state)) for _ in range(batches)]


def test_every_sample_once_an_epoch_and_the_last_batch_smaller(tiny, numbered):
    state = init(tiny(), numbered(21), seed=0)
    batches = _epochs(state, 9)
    assert [len(batch) for batch in batches] == [8, 8, 5] * 3
    epochs = [_joined(batches[start : start + 3]) for start in (0, 3, 6)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(21))
    assert all(a != b for a, b in pairwise([list(range(21)), *epochs]))


def test_a_leftover_of_one_is_left_out_of_its_epoch(tiny, numbered):
    """Batch norm cannot take a batch of one."""
    batches = _epochs(init(tiny(), numbered(17), seed=0), 40)
    assert {len(batch) for batch in batches} == {8}
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        assert len(set(first + second)) == 16
    assert set(_joined(batches)) == set(range(17))


def test_a_leftover_of_two_is_a_batch(tiny, numbered):
    assert [len(batch) for batch in _epochs(init(tiny(), numbered(18), seed=0), 4)] == [8, 8, 2, 8]


@pytest.mark.parametrize(("n", "an_epoch"), [(24, 4), (22, 3), (26, 4), (27, 4), (12, 2)])
def test_a_batch_is_whole_packs_of_different_samples(tiny, numbered, n, an_epoch):
    """A batch of 8 holds two packs of 3; what is left of an epoch and is less than two packs is left out of it."""
    batches = _epochs(init(tiny(packing=3), numbered(n), seed=0), 3 * an_epoch)
    assert {len(batch) for batch in batches} == {6}
    epochs = [_joined(batches[start : start + an_epoch]) for start in range(0, 3 * an_epoch, an_epoch)]
    assert [len(set(epoch)) for epoch in epochs] == [6 * an_epoch] * 3
    assert epochs[0] != epochs[1]


def test_the_smaller_last_batch_is_whole_packs(tiny, numbered):
    assert [len(batch) for batch in _epochs(init(tiny(packing=2), numbered(23), seed=0), 4)] == [8, 8, 6, 8]


def test_drawn_with_replacement(tiny, numbered):
    state = init(tiny(sampling="replacement"), numbered(20), seed=0)
    batches = _epochs(state, 500)
    assert {len(batch) for batch in batches} == {8}
    counts = torch.tensor(_joined(batches)).bincount(minlength=20)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert any(len(set(batch)) < 8 for batch in batches)


def test_labels_travel_with_their_samples_and_their_fakes(tiny, numbered):
    state = init(tiny("cgan"), numbered(21), seed=0)
    for _ in range(3):
        batch = draw(state)
        assert batch.labels.tolist() == [number % 10 for number in _numbers(batch)]
        assert torch.equal(batch.fakes.labels, batch.labels)
        assert batch.fakes.latent.shape == (len(batch.real), 100)


def test_unconditional_fakes_have_no_labels(tiny, numbered):
    for changes in ({}, {"fake_batch_size": 12}):
        assert draw(init(tiny(**changes), numbered(21), seed=0)).fakes.labels is None


def test_fakes_of_their_own_number_have_labels_as_they_occur(tiny, numbered):
    state = init(tiny("cgan", fake_batch_size=12), numbered(20, classes=3, labels=[0] * 10 + [1] * 6 + [2] * 4), seed=0)
    batches = [draw(state) for _ in range(200)]
    assert {(len(batch.fakes.latent), len(batch.fakes.labels)) for batch in batches} == {(12, 12)}
    counts = torch.cat([batch.fakes.labels for batch in batches]).bincount()
    assert stats.chisquare(counts.numpy(), [1200, 720, 480]).pvalue > 1e-3


def test_fakes_of_their_own_number_are_whole_packs(tiny, numbered):
    batch = draw(init(tiny(packing=3, fake_batch_size=10), numbered(20), seed=0))
    assert (len(batch.real), len(batch.fakes.latent)) == (6, 9)


def test_the_seed_decides_the_draw(tiny, numbered):
    first, again, other = (draw(init(tiny("cgan"), numbered(200), seed)) for seed in (0, 0, 1))
    assert _numbers(first) == _numbers(again)
    assert torch.equal(first.fakes.latent, again.fakes.latent)
    assert _numbers(first) != _numbers(other)
    assert not torch.equal(first.fakes.latent, other.fakes.latent)


def test_one_purpose_does_not_shift_another(tiny, numbered):
    """Variants that differ in latents or fakes are given the same real samples."""
    changes = ({}, {"fake_batch_size": 20}, {"latent": normal(2) + categorical(3)})
    assert len({str(_epochs(init(tiny(**change), numbered(50), seed=0), 9)) for change in changes}) == 1


def test_each_purpose_has_random_numbers_of_its_own(tiny, numbered):
    """From one stream, the order of the samples and the latents would be correlated."""
    state = init(tiny(), numbered(20), seed=0)
    assert len({tuple(torch.rand(4, generator=generator).tolist()) for generator in state.random.values()}) == 4


def test_samples_have_the_dtype_of_the_run(tiny, numbered):
    batch = draw(init(tiny(), numbered(20), seed=0, dtype=torch.float64))
    assert batch.real.dtype == batch.fakes.latent.dtype == torch.float64


def test_a_set_too_small_is_one_clear_line(tiny, numbered):
    with pytest.raises(GanZooError, match="'numbered' has 1 training samples; a batch needs 2"):
        init(tiny(), numbered(1), seed=0)
    with pytest.raises(GanZooError, match="has 5 training samples; a batch needs 6"):
        init(tiny(packing=3), numbered(5), seed=0)


def test_fewer_samples_than_a_batch_is_one_clear_line_with_a_remedy(tiny, numbered):
    problem = "'numbered' has 7 training samples, fewer than the batch of 8: .*--set batch_size=7 .*preset"
    with pytest.raises(GanZooError, match=problem) as raised:
        init(tiny(), numbered(7), seed=0)
    assert "\n" not in str(raised.value)
    assert len(init(tiny(), numbered(8), seed=0).data) == 8
