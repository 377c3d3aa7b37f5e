"""The discriminator's filters: their weights, what they respond to in real images, and what would excite them most."""

import copy
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from gan_zoo.data import Split, to_uint8
from gan_zoo.device import seeded
from gan_zoo.samples import tile
from gan_zoo.studies.activations import ACTIVATIONS, BATCH, Probe, probe
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import Trained

SHOWN = 16
"""Filters of the first layer in the picture, the first ones."""
_EXAMPLES = 3
"""Real images a map in the picture: those with the largest responses."""
_STEP = 0.05
_DECAY = 0.1


@study(
    name="filters",
    title="What the discriminator's filters respond to",
    question="Do the discriminator's filters respond to parts of the images, or as random filters do?",
    reading="Independent random weights have a smoothness of 0 on average, of few small filters within about "
    "0.1. Maps that respond to one class more than to others "
    "have a high selectivity; random filters have some too, since classes differ in shape. Guided backpropagation "
    "restores edges of the image whatever the weights are (Nie et al. 2018, arXiv 1805.07039), so it is compared with "
    "that of the untrained discriminator. The maps shown are the first ones, not chosen.",
    source="Radford et al. 2016, arXiv 1511.06434, section 6.2; Springenberg et al. 2015, arXiv 1412.6806",
    measures=[
        Measure(
            "smoothness",
            "Smoothness of first-layer filters",
            "",
            "Correlation of neighboring weights of the first layer's filters, about zero: 1 for constant filters, 0 on "
            "average for independent weights.",
            (-1, 1),
        ),
        Measure(
            "selectivity",
            "Class selectivity of maps",
            "",
            "Share of the variance of a map's largest response to test images that the classes of the images explain, "
            "mean over the maps of the last hidden layer.",
            (0, 1),
        ),
    ],
)
def filters(trained: Trained, *, maps: int = 6, images: int = 2_000, steps: int = 200) -> Studied:
    """Smoothness of the first layer's filters and class selectivity of the last hidden layer's maps.

    The pictures: weights of the first layer; guided backpropagation of the largest responses of the last hidden
    layer's maps to real images; and images by activation maximization of these maps. Of an MLP, the units of a layer
    take the place of maps. Batch norm and labels are treated as in the study ``features``.

    Args:
        trained: the trained GAN.
        maps: maps in the pictures, the first ones.
        images: test images whose responses are measured.
        steps: of gradient ascent.

    Raises:
        NotApplicable: points, or a discriminator without a hidden nonlinearity.
        GanZooError: an option that is not positive.
    """
    for name, value in (("maps", maps), ("images", images), ("steps", steps)):
        check_positive(name, value)
    probes = {
        "trained": probe(trained, trained.discriminator),
        "untrained": probe(trained, trained.untrained().discriminator),
    }
    data = trained.load_data()
    values = [("smoothness", name, smoothness(first_weights(each, trained.shape))) for name, each in probes.items()]
    index = torch.randperm(len(data.test), generator=seeded(trained.seed, "images of study filters"))[:images]
    found = {name: _responses(each, data.test, index) for name, each in probes.items()}
    if data.classes > 1:
        labels = data.test.labels.cpu()[index]
        values += [("selectivity", name, selectivity(each, labels)) for name, each in found.items()]
        shuffled = labels[torch.randperm(len(labels), generator=seeded(trained.seed, "shuffled labels"))]
        values.append(("selectivity", "trained, shuffled labels", selectivity(found["trained"], shuffled)))

    def draw() -> list[Picture]:
        return [
            _weights_picture(trained, probes),
            _responses_picture(trained, probes, found, index, maps, steps),
        ]

    return Studied([value for value in values if value[2] == value[2]], draw)


def first_weights(network: Probe, shape: tuple[int, ...]) -> Tensor:
    """Weights (F, C, H, W) of the first layer on the channels of an image of a shape, without those on labels.

    Raises:
        NotApplicable: the discriminator has no convolution and no linear layer.
    """
    weights = network.first.weight
    assert isinstance(weights, Tensor)
    if weights.dim() == 2:
        return weights[:, : torch.Size(shape).numel()].unflatten(1, shape)
    return weights[:, : shape[0]]


def smoothness(weights: Tensor) -> float:
    """Correlation of horizontal and vertical neighbors of filters (F, C, H, W) about zero; NaN for 1x1 filters."""
    pairs = [(weights[..., 1:], weights[..., :-1]), (weights[..., 1:, :], weights[..., :-1, :])]
    products = sum((one * other).double().sum() for one, other in pairs)
    squares = sum((one.double().square().sum() + other.double().square().sum()) / 2 for one, other in pairs)
    return float(products / squares)


def selectivity(responses: Tensor, labels: Tensor) -> float:
    """Share of the variance of responses (N, F) between the classes of labels (N,), mean over F; 0 for constant ones.

    It is the squared correlation ratio of each map (Fisher 1925), with an expectation of (classes - 1) / (N - 1) if
    they are independent.
    """
    centered = responses.double() - responses.double().mean(dim=0)
    between = torch.zeros_like(centered[0])
    for label in labels.unique():
        chosen = centered[labels == label]
        between += len(chosen) * chosen.mean(dim=0).square()
    total = centered.square().sum(dim=0)
    return torch.where(total > 0, between / total.clamp(min=1e-30), 0).mean().item()


def _largest(output: Tensor) -> Tensor:
    """The largest response (B, F) over the positions of maps (B, F, H, W); units (B, F) as they are."""
    return output.flatten(2).amax(dim=2) if output.dim() == 4 else output


@torch.no_grad()
def _responses(network: Probe, split: Split, index: Tensor) -> Tensor:
    """Largest responses (N, F) of the last layer's maps to the images at an index (N,)."""
    parts = index.to(split.labels.device).split(BATCH)
    found = [_largest(network.activations(split.take(part)[0])[network.layers[-1]]) for part in parts]
    return torch.cat(found).cpu()


def guided_gradients(network: Probe, images: Tensor, maps: Tensor) -> Tensor:
    """Guided backpropagation of the largest response of one map of the last layer to each image.

    The gradient with respect to the image, of which every nonlinearity passes the positive part alone (Springenberg et
    al. 2015, arXiv 1412.6806, section 3.4); that of a leaky one keeps its slope.

    Args:
        network: the discriminator.
        images: in [-1, 1], (B, C, H, W).
        maps: index of a map for each image, (B,).
    """
    guided = copy.deepcopy(network.network)
    for module in guided.modules():
        if isinstance(module, ACTIVATIONS):
            module.register_full_backward_hook(_positive)
    images = images.clone().requires_grad_(True)
    output = Probe(guided, network.layers, network.packing, network.takes_labels).activations(images)
    responses = _largest(output[network.layers[-1]])
    return torch.autograd.grad(responses.gather(1, maps.unsqueeze(1)).sum(), images)[0]


def _positive(_module: nn.Module, gradients: Any, _outer: Any) -> tuple[Tensor, ...]:
    return tuple(gradient.clamp(min=0) for gradient in gradients)


def maximize(
    network: Probe, maps: int, shape: tuple[int, ...], *, steps: int, seed: int, jitter: int = 2, blur: float = 0.5
) -> Tensor:
    """Images (maps, C, H, W) in [-1, 1] that the first maps of the last layer respond to most.

    Gradient ascent of the mean over a map, from small noise, in steps of one size. The pixels decay, and are blurred by
    a Gaussian of deviation ``blur`` pixels (Yosinski et al. 2015, arXiv 1506.06579, section 3) and shifted by up to
    ``jitter`` pixels at random, without which strided convolutions give checkerboards.
    """
    random = seeded(seed, "activation maximization")
    device = next(network.network.parameters()).device
    images = 0.1 * torch.randn(maps, *shape, generator=random).to(device)
    chosen = torch.arange(maps, device=device).unsqueeze(1)
    for _ in range(steps):
        right, down = torch.randint(-jitter, jitter + 1, (2,), generator=random).tolist()
        shifted = images.roll((down, right), dims=(2, 3)).requires_grad_(True)
        output = network.activations(shifted)[network.layers[-1]]
        means = output.flatten(2).mean(dim=2) if output.dim() == 4 else output
        (gradient,) = torch.autograd.grad(means.gather(1, chosen).sum(), shifted)
        gradient = gradient.roll((-down, -right), dims=(2, 3))
        size = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
        images = ((1 - _DECAY) * images + _STEP * gradient / size).clamp(-1, 1)
        images = gaussian_blur(images, [3, 3], [blur, blur]) if blur else images
    return images


def _symmetric(values: Tensor) -> Tensor:
    """Signed values (N, C, H, W) as pixels: 0 is middle grey, the largest magnitude of each black or white."""
    return to_uint8(values / values.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12))


def _weights_picture(trained: Trained, probes: dict[str, Probe]) -> Picture:
    sheets = []
    for each in probes.values():
        weights = first_weights(each, trained.shape)[:SHOWN]
        enlarge = max(1, 32 // weights.shape[-1])
        pixels = _symmetric(weights).repeat_interleave(enlarge, 2).repeat_interleave(enlarge, 3)
        sheets.append(tile(pixels, SHOWN // 2, gap=2))
    caption = (
        "Weights of the first layer's first filters, trained (above) and untrained (below): grey is 0, each scaled."
    )
    return Picture("weights", caption, _stacked(sheets, down=True), scale=2)


def _responses_picture(
    trained: Trained, probes: dict[str, Probe], found: dict[str, Tensor], index: Tensor, maps: int, steps: int
) -> Picture:
    split = trained.load_data().test
    sheets = []
    for name, each in probes.items():
        count = min(maps, found[name].shape[1])
        best = found[name][:, :count].topk(min(_EXAMPLES, len(index)), dim=0).indices.T
        images = split.take(index[best.flatten()].to(split.labels.device))[0]
        chosen = torch.arange(count, device=images.device).repeat_interleave(best.shape[1])
        ideal = maximize(each, count, trained.shape, steps=steps, seed=trained.seed)
        gradients = _symmetric(guided_gradients(each, images, chosen))
        groups = [_symmetric(ideal), to_uint8(images), gradients]
        rows = torch.cat([group.unflatten(0, (count, -1)) for group in groups], dim=1)
        sheets.append(tile(rows.flatten(0, 1), rows.shape[1], gap=1))
    caption = (
        "Rows are maps, trained (left), untrained (right): image by activation maximization, real images of largest "
        "response, their guided backpropagation."
    )
    return Picture("responses", caption, _stacked(sheets, down=False), scale=2)


def _stacked(sheets: list[Image.Image], *, down: bool, gap: int = 12) -> Image.Image:
    """Images side by side, or one below another, on white."""
    widths, heights = zip(*(sheet.size for sheet in sheets), strict=True)
    if down:
        size = max(widths), sum(heights) + gap * (len(sheets) - 1)
    else:
        size = sum(widths) + gap * (len(sheets) - 1), max(heights)
    found = Image.new(sheets[0].mode, size, "white")
    place = 0
    for sheet in sheets:
        found.paste(sheet, (0, place) if down else (place, 0))
        place += (sheet.height if down else sheet.width) + gap
    return found
