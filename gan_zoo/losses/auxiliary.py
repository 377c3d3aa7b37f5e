"""Terms of the discriminator's auxiliary outputs, added to both losses of any objective."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor
from torch.nn.functional import cross_entropy

from gan_zoo.losses.base import DiscriminatorOutput, Loss, Objective, ObjectiveState, Result, Step


def with_classes(objective: Objective, *, weight: float = 1.0) -> Objective:
    """Auxiliary classifier (Odena et al. 2017, arXiv 1610.09585, eq. 2 and 3), on the output ``label`` (B, classes).

    Both players also minimize weight x the cross-entropy of the labels: D of real samples and of fakes, G of fakes.
    """

    def classify(output: DiscriminatorOutput, labels: Tensor | None) -> Tensor:
        assert labels is not None
        return weight * cross_entropy(output.extra["label"], labels)

    def of_discriminator(step: Step) -> dict[str, Tensor]:
        return {
            "real_classes": classify(step.on_real, step.labels),
            "fake_classes": classify(step.on_fake, step.fake_labels),
        }

    def of_generator(step: Step) -> dict[str, Tensor]:
        return {"classes": classify(step.on_fake, step.fake_labels)}

    return replace(
        objective,
        title=f"{objective.title} + classes",
        discriminator=_adding(objective.discriminator, of_discriminator),
        generator=_adding(objective.generator, of_generator),
    )


def mutual_information(
    objective: Objective, *, category: str = "category", style: str = "style", weight: float = 1.0
) -> Objective:
    """A lower bound of the mutual information of fakes and latent parts (Chen et al. 2016, 1606.03657, eq. 5 and 6).

    Both players, D for its heads' sake, also minimize weight x E[-log Q(c | G(z, c))] up to constants: the
    cross-entropy of the one-hot part ``category``, and for the continuous part ``style`` half the squared error, which
    is a Gaussian's of unit variance, summed over its values. Heads of these names (B, part size) are read.
    """

    def terms(step: Step) -> dict[str, Tensor]:
        outputs = step.on_fake.extra
        codes = step.latent
        squares = (outputs[style] - codes[style]).square().sum(dim=1)
        return {
            "category": weight * cross_entropy(outputs[category], codes[category]),
            "style": weight * squares.mean() / 2,
        }

    return replace(
        objective,
        title=f"{objective.title} + mutual information",
        discriminator=_adding(objective.discriminator, terms),
        generator=_adding(objective.generator, terms),
    )


def _adding(loss: Loss, terms: Callable[[Step], dict[str, Tensor]]) -> Loss:
    def both(step: Step, state: ObjectiveState) -> Result:
        result = loss(step, state)
        return result._replace(terms={**result.terms, **terms(step)})

    return both
