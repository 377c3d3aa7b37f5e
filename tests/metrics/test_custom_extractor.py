"""Extractors and data sets of plugins reach every table as those of this package do."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gan_zoo
from gan_zoo import data, registry
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.custom import register_extractor
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import MetricError
from gan_zoo.metrics.frechet import frechet_distance
from gan_zoo.report import context

DOCS = Path(__file__).parents[2] / "docs"


def example(page: str, heading: str) -> str:
    """The first Python block below a heading of the documentation."""
    below = (DOCS / page).read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    (found,) = re.findall(r"```python\n(.*?)```", below, re.DOTALL)[:1]
    return str(found)


@pytest.fixture
def write(tmp_path: Path, own_registry: None) -> Callable[..., Path]:
    def made(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        return path

    return made


def blank(n: int = 4, side: int = 28, channels: int = 1) -> Tensor:
    return torch.randint(256, (n, channels, side, side), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_the_example_of_the_documentation_measures_any_images(write: Callable[..., Path]) -> None:
    registry.load_plugin(write("edges", example("metrics.md", "Your own extractor")))
    extractor = load_extractor("edges")
    assert extractor.metrics == ("fid", "kid")
    features = extractor.encode(blank())
    assert features.logits is None
    assert features.vectors.shape[1] == extractor.minimum_n - 1
    digits = data.load("digits")
    images = digits.train.images[:200]
    measured = gan_zoo.evaluate(images, "digits", extractors=["own", "edges"], num_samples=200).reset_index()
    mine = measured[measured["extractor"] == "edges"].set_index("samples")
    assert mine["fid"].notna().all()
    assert mine["is"].isna().all()
    from gan_zoo.metrics.evaluator import _choose

    real = digits.test.images[_choose(len(digits.test), 200, 0, "reference")]
    expected = frechet_distance(extractor.encode(images).vectors, extractor.encode(real).vectors)
    assert mine.loc["images", "fid"] == pytest.approx(expected, rel=1e-6)


def test_in_a_suite_it_ranks_and_an_edit_measures_again_alone(
    bench: Callable[..., Any], toys: Path, write: Callable[..., Path], tmp_path: Path
) -> None:
    text = example("metrics.md", "Your own extractor")
    added = ('extractors = ["digits-cnn"]', 'extractors = ["edges", "own"]')
    first = bench("out", added, plugins=[toys, write("edges", text)]).results
    assert first.extractor == "edges"
    assert {"final_fid_edges", "final_fid_digits-cnn"} <= set(first.runs.columns)
    report = context.write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "edges" in report
    again = bench("out", added, plugins=[toys, write("edges", text.replace(".abs()", ".square()"))]).results
    assert again.runs["seconds"].tolist() == first.runs["seconds"].tolist(), "nothing was trained again"
    assert (again.runs["final_fid_edges"] != first.runs["final_fid_edges"]).all()
    assert again.runs["final_fid_digits-cnn"].tolist() == first.runs["final_fid_digits-cnn"].tolist()


def test_logits_add_the_inception_score_and_weights_are_part_of_the_measurement(own_registry: None) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            vectors = images.float().mean((2, 3))
            return vectors, self.head(vectors)

    scale = 1.0

    @register_extractor("means")
    def means(device: torch.device) -> nn.Module:
        network = Network()
        network.head.weight.data.mul_(scale)
        return network

    first = load_extractor("means")
    assert first.metrics == ("fid", "is", "kid")
    assert torch.equal(first.encode(blank()).require_logits(), load_extractor("means").encode(blank()).require_logits())
    assert load_extractor("means").digest == first.digest
    scale = 2.0
    assert load_extractor("means").digest != first.digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("return 3", "extractor 'bad' is 3; return a function of images"),
        ("1 / 0", "extractor 'bad' failed: ZeroDivisionError"),
        ("return lambda images: images.float()", r"returned a tensor \(4, 3, 32, 32\) for 4 images"),
        ("return lambda images: None", "returned None"),
        ("return lambda images: images.missing", "extractor 'bad' failed: AttributeError"),
    ],
)
def test_what_a_function_does_wrong_is_one_line(write: Callable[..., Path], text: str, words: str) -> None:
    path = write("bad", f"import gan_zoo\n@gan_zoo.register_extractor('bad')\ndef bad(device):\n    {text}\n")
    registry.load_plugin(path)
    with pytest.raises(GanZooError, match=words) as caught:
        load_extractor("bad")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("inception", {}, "'inception' is registered already"),
        ("a/b", {}, "'a/b' cannot name an extractor"),
        ("own", {}, "'own' cannot name an extractor"),
        ("mine", {"metrics": ["fidd"]}, "unknown metric 'fidd'"),
    ],
)
def test_names_are_checked(own_registry: None, name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(GanZooError, match=words):
        register_extractor(name, **options)(lambda device: nn.Flatten())


def test_the_data_set_of_the_documentation_is_one_like_any_other(write: Callable[..., Path]) -> None:
    registry.load_plugin(write("stripes", example("data.md", "Your own data set")))
    assert "stripes" in data.names()
    loaded = data.load("stripes", side=16, channels=3)
    assert loaded.train.shape == (3, 16, 16)
    assert (len(loaded.train), len(loaded.test), loaded.classes) == (2000, 1000, 2)
    of_class = data.load("stripes", side=28).train.images[loaded.train.labels == 1]
    assert torch.equal(of_class[..., :1].expand_as(of_class), of_class)
    run = gan_zoo.train("cgan", "stripes", steps=2)
    assert run.sampler(4, labels=[0, 1, 0, 1]).shape == (4, 1, 32, 32)


def test_cached_features_are_never_of_another_function(own_registry: None) -> None:
    """Weights that a closure holds are in no source and in no module."""
    scale = 1.0

    @register_extractor("means")
    def means(device: torch.device) -> Any:
        factor = scale
        return lambda images: images.float().mean((2, 3)) * factor

    images = data.load("digits").train.images[:140]

    def real() -> float:
        return float(gan_zoo.evaluate(images, "digits", extractors=["means"]).loc["real", "fid"])

    first = real()
    scale = 3.0
    assert real() == pytest.approx(9 * first, rel=1e-4)


def test_lack_of_memory_is_the_extractor_s_and_not_the_variant_s(own_registry: None) -> None:
    @register_extractor("greedy")
    def greedy(device: torch.device) -> Any:
        def encode(images: Tensor) -> Tensor:
            raise MemoryError("too much")

        return encode

    with pytest.raises(MetricError, match="extractor 'greedy' failed: MemoryError: too much"):
        load_extractor("greedy")


def test_a_cell_that_is_run_again_replaces_its_extractor(own_registry: None) -> None:
    def define() -> None:
        @register_extractor("again")
        def again(device: torch.device) -> nn.Module:
            return nn.Flatten()

    define()
    define()


def test_the_extractor_that_ranks_has_the_metric_that_ranks(
    bench: Callable[..., Any], toys: Path, write: Callable[..., Path]
) -> None:
    text = example("metrics.md", "Your own extractor").replace(
        '("edges")', '("edges", metrics=("precision", "recall"))'
    )
    with pytest.raises(GanZooError, match="extractor 'edges' has no fid, by which variants are ranked"):
        bench("out", ('["digits-cnn"]', '["edges", "own"]'), plugins=[toys, write("edges", text)])
