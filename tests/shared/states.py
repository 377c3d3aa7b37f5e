"""The numbers of a training state, to compare two states, or one with a plain loop in torch."""

import torch

from gan_zoo.engine import Batch, Fakes, advance

COUNTS = ("cursor", "images", "iterations", "discriminator_steps", "generator_steps")


def parameters(state):
    return [p for network in state.networks for p in network.parameters()]


def weights(state):
    return torch.cat([p.detach().flatten().cpu() for p in parameters(state)])


def numbers(state):
    """Every number of a state that training changes, by name."""
    found = {f"{name}.{key}": v for name, module in state.modules.items() for key, v in module.state_dict().items()}
    for player, optimizer in state.optimizers._asdict().items():
        for index, moments in optimizer.state_dict()["state"].items():
            found |= {f"{player}.{index}.{key}": value for key, value in moments.items()}
    found |= {f"random.{purpose}": generator.get_state() for purpose, generator in state.random.items()}
    found |= {"random.default": state.default_random, "order": state.order, **state.objective}
    return found | {"counts": torch.tensor([getattr(state, name) for name in COUNTS])}


def differing(first, second):
    """The names of the numbers in which two states differ in any bit."""
    ours, theirs = numbers(first), numbers(second)
    assert set(ours) == set(theirs)
    return [name for name, value in ours.items() if not torch.equal(value, theirs[name])]


def random_batches(variant, count, size, shape):
    """Batches in float64, the same in every call."""
    random = torch.Generator().manual_seed(5)
    for _ in range(count):
        real = torch.rand(size, *shape, generator=random, dtype=torch.float64) * 2 - 1
        labels = torch.randint(10, (size,), generator=random)
        latent = variant.latent.draw(size, random=random, dtype=torch.float64)
        yield Batch(real, labels, Fakes(latent, labels if variant.conditioning != "none" else None))


def train_on(state, batches, iterations):
    """Train on these batches, to their end."""
    given = iter(batches)
    advance(state, iterations, draw=lambda _state: next(given))
    assert next(given, None) is None


def largest_error(state, pair):
    """The largest difference of a parameter or a running statistic, against the larger of 1 and its size."""
    worst = 0.0
    for ours, plain in zip(state.networks, pair, strict=True):
        for a, b in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True):
            if a.is_floating_point():
                worst = max(worst, (a - b).abs().max().item() / max(1.0, b.abs().max().item()))
    return worst


def least_move(state, before):
    """The least distance that a weight matrix or kernel has moved."""
    pairs = zip(parameters(state), before, strict=True)
    return min((now.detach() - then).abs().max().item() for now, then in pairs if now.dim() > 1)
