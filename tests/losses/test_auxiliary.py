"""Class and code terms against their formulas, written out by hand in float64."""

import math

import pytest
import torch

from gan_zoo.losses import DiscriminatorOutput, cross_entropy, hinge, mutual_information, with_classes

SCORES = [-1.0, 0.5, 2.0]
OF_REAL = [[2.0, -1.0, 0.5], [0.0, 1.0, 3.0], [-2.0, 0.3, 0.0]]
OF_FAKES = [[1.0, 0.0, -0.5], [0.4, -1.0, 2.0], [0.0, 0.1, 5.0]]
LABELS, FAKE_LABELS = [2, 0, 1], [1, 1, 2]


def _tensor(values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def _entropy(logits, label):
    return -math.log(math.exp(logits[label]) / sum(map(math.exp, logits)))


def _pull(logits, label):
    """Softmax less one-hot."""
    total = sum(map(math.exp, logits))
    return [math.exp(x) / total - (index == label) for index, x in enumerate(logits)]


def _mean(values):
    values = list(values)
    return sum(values) / len(values)


@pytest.fixture
def step_with(make_step):
    """Makes a step with other outputs for the real samples than for the fakes."""

    def make(of_real, of_fake, **settings):
        real, fake = _tensor(SCORES), _tensor(SCORES)
        discriminator = lambda samples, _labels: DiscriminatorOutput(samples, of_real if samples is real else of_fake)  # noqa: E731
        return make_step(real, fake, discriminator, **settings)

    return make


@pytest.fixture
def labelled(step_with):
    """Makes a step of an auxiliary classifier from its logits."""
    labels = {"labels": torch.tensor(LABELS), "fake_labels": torch.tensor(FAKE_LABELS)}
    return lambda of_real, of_fakes: step_with({"label": of_real}, {"label": of_fakes}, **labels)


def test_classes_are_learned_from_real_and_fake_by_d_and_from_fakes_by_g(labelled):
    of_real, of_fakes = _tensor(OF_REAL), _tensor(OF_FAKES)
    step, objective = labelled(of_real, of_fakes), with_classes(hinge(), weight=0.7)
    terms = objective.discriminator(step, {}).terms
    plain = hinge().discriminator(step, {}).terms
    assert set(terms) == {"real", "fake", "real_classes", "fake_classes"}
    assert (terms["real"], terms["fake"]) == (plain["real"], plain["fake"])
    assert terms["real_classes"].item() == pytest.approx(0.7 * _mean(map(_entropy, OF_REAL, LABELS)), rel=1e-12)
    assert terms["fake_classes"].item() == pytest.approx(0.7 * _mean(map(_entropy, OF_FAKES, FAKE_LABELS)), rel=1e-12)
    pulls = torch.autograd.grad(sum(terms.values()), (of_real, of_fakes))
    for pull, logits, labels in zip(pulls, (OF_REAL, OF_FAKES), (LABELS, FAKE_LABELS), strict=True):
        for row, values, label in zip(pull.tolist(), logits, labels, strict=True):
            assert row == pytest.approx([0.7 / 3 * x for x in _pull(values, label)], rel=1e-12)


def test_g_is_rewarded_for_fakes_of_the_requested_class(labelled):
    of_fakes = _tensor(OF_FAKES)
    terms = with_classes(cross_entropy(), weight=2.0).generator(labelled(_tensor(OF_REAL), of_fakes), {}).terms
    assert set(terms) == {"adversarial", "classes"}
    assert terms["classes"].item() == pytest.approx(2 * _mean(map(_entropy, OF_FAKES, FAKE_LABELS)), rel=1e-12)
    (pull,) = torch.autograd.grad(terms["classes"], of_fakes)
    for row, values, label in zip(pull.tolist(), OF_FAKES, FAKE_LABELS, strict=True):
        assert row == pytest.approx([2 / 3 * x for x in _pull(values, label)], rel=1e-12)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_codes_are_read_from_fakes_by_both_players(player, step_with):
    """A one-hot part by cross-entropy; two continuous values by half their squared distance, a mean over the batch."""
    category, style = _tensor(OF_FAKES), _tensor([[0.5, -1.0], [2.0, 0.0], [0.1, 0.3]])
    drawn = [[0.0, -1.0], [1.5, 0.5], [-0.9, 0.3]]
    codes = {"category": torch.eye(3, dtype=torch.float64)[FAKE_LABELS], "style": torch.tensor(drawn).double()}
    step = step_with({}, {"category": category, "style": style}, latent=codes)
    terms = getattr(mutual_information(cross_entropy(), weight=0.5), player)(step, {}).terms
    assert set(terms) == {*({"real", "fake"} if player == "discriminator" else {"adversarial"}), "category", "style"}
    assert terms["category"].item() == pytest.approx(0.5 * _mean(map(_entropy, OF_FAKES, FAKE_LABELS)), rel=1e-12)
    drawn = codes["style"].tolist()
    distances = [[a - b for a, b in zip(x, c, strict=True)] for x, c in zip(style.tolist(), drawn, strict=True)]
    squares = [x * x + y * y for x, y in distances]
    assert terms["style"].item() == pytest.approx(0.5 * _mean(squares) / 2, rel=1e-12)
    pull = torch.autograd.grad(terms["category"] + terms["style"], (category, style))
    for row, values, label in zip(pull[0].tolist(), OF_FAKES, FAKE_LABELS, strict=True):
        assert row == pytest.approx([0.5 / 3 * x for x in _pull(values, label)], rel=1e-12)
    for row, distance in zip(pull[1].tolist(), distances, strict=True):
        assert row == pytest.approx([0.5 / 3 * x for x in distance], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_gradients_are_the_finite_differences(player, labelled, step_with):
    def of_classes(of_real, of_fakes):
        terms = getattr(with_classes(cross_entropy()), player)(labelled(of_real, of_fakes), {}).terms
        return sum(terms.values()) + 0 * of_real.sum()

    def of_codes(category, style):
        codes = {"category": torch.eye(3, dtype=torch.float64), "style": torch.zeros(3, 2, dtype=torch.float64)}
        step = step_with({}, {"category": category, "style": style}, latent=codes)
        return sum(getattr(mutual_information(cross_entropy()), player)(step, {}).terms.values())

    assert torch.autograd.gradcheck(of_classes, (_tensor(OF_REAL), _tensor(OF_FAKES)))
    assert torch.autograd.gradcheck(of_codes, (_tensor(OF_REAL), _tensor([[1.0, 2.0], [0.0, -1.0], [0.5, 0.5]])))


def test_the_properties_of_an_objective_stay_with_terms_added():
    for added in (with_classes, mutual_information):
        assert added(cross_entropy()).estimates_ratio
        assert added(cross_entropy()).probability
        assert not added(hinge()).probability
