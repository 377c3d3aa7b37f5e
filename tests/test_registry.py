"""Variants by name: options, mistakes, plugins in files and in packages, and the files that decide a variant."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gan_zoo.variants
from gan_zoo import registry
from gan_zoo.errors import GanZooError
from gan_zoo.latent import normal
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import describe

VARIANTS = Path(gan_zoo.variants.__file__).parent


pytestmark = pytest.mark.usefixtures("own_registry")


def _plugin(path, name="mine", batch=64, base="gan", function="make"):
    path.write_text(
        f"""from dataclasses import replace
from gan_zoo.registry import get, register

@register("{name}")
def {function}(*, batch={batch}):
    return replace(get("{base}"), title="Mine", batch_size=batch)
"""
    )
    return path


def test_options_are_hyperparameters_or_fields():
    variant = registry.get("dcgan", width=16, batch_size=32, latent="7 normal", initialization="normal 0.02", ema=0.9)
    assert (variant.name, variant.batch_size, variant.latent) == ("dcgan", 32, normal(7))
    assert (variant.initialization, variant.ema) == ("normal 0.02", 0.9)
    assert variant.networks.keywords == {"width": 16}
    assert describe(registry.get(variant.name, **variant.options)) == describe(variant)
    assert registry.hyperparameters("dcgan") == {"width": 128}


def test_a_backbone_is_an_option_of_every_variant():
    """By name, or with sizes and the discriminator's norm, which then replaces the variant's own."""
    assert registry.get("gan", backbone="dcgan").networks is linear_stem
    variant = registry.get("sngan", backbone={"name": "dcgan", "width": 4, "norm": "layer"})
    assert (variant.networks.func, variant.networks.keywords, variant.norm) == (linear_stem, {"width": 4}, "layer")
    assert registry.get("sngan", backbone={"name": "dcgan", "width": 4}).norm == "spectral"
    assert describe(registry.get(variant.name, **variant.options)) == describe(variant)
    critic = registry.get("gan", backbone={"name": "mlp", "discriminator": [6, 5]}).build((1, 8, 8), 0).discriminator
    assert [m.out_features for m in critic.body if hasattr(m, "out_features")] == [6, 5]


def test_optimizers_are_options_as_plain_values():
    rate = {"start": 1e-3, "shape": "cosine", "length": 50}
    settings = {"name": "AdamW", "lr": rate, "betas": [0.0, 0.9]}
    variant = registry.get("gan", generator_optimizer=settings, discriminator_optimizer={"name": "Adam", "lr": 0.1})
    assert variant.generator_optimizer == Optimizer("AdamW", {"lr": Schedule(**rate), "betas": (0.0, 0.9)})
    assert variant.discriminator_optimizer == Optimizer("Adam", {"lr": 0.1})


@pytest.mark.parametrize("path", sorted(VARIANTS.glob("*.py")), ids=lambda path: path.stem)
def test_a_variant_has_no_loop(path):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    assert not [node for node in nodes if isinstance(node, ast.For | ast.While | ast.AsyncFor)]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("cgna", {}, "unknown variant 'cgna'; did you mean 'cgan'"),
        ("dcgan", {"widht": 8}, "unknown option of variant 'dcgan'.*'widht'.*did you mean 'width'"),
        ("gan", {"bacth_size": 8}, "did you mean 'batch_size'"),
        ("gan", {"name": "other"}, "unknown option"),
        ("gan", {"batch_size": "many"}, "batch_size is 'many'"),
        ("gan", {"latent": "100 normla"}, "did you mean 'normal'"),
        ("gan", {"latent": 100.0}, "latent is 100.0"),
        ("gan", {"latent": 0}, "latent size 0 is too small; it must be at least 1"),
        ("infogan", {"latent": 12}, r"latent size 12 .* at least 13, as 12 values are 10 categorical \+ 2 uniform"),
        ("gan", {"generator_optimzer.lr": 0.1}, "'generator_optimzer'; did you mean 'generator_optimizer'"),
        ("gan", {"generator_optimizer.beta": 0.1}, "Adam cannot be made with .*beta"),
        ("gan", {"batch_size.x": 8}, "batch_size is {'x': 8}"),
        ("gan", {"lr": "high"}, "Adam cannot be made with .*high"),
        ("gan", {"ema": "much"}, r"'gan' cannot be made with \(ema='much'\)"),
        ("gan", {"backbone": "dcgna"}, "unknown backbone 'dcgna'; did you mean 'dcgan'"),
        ("gan", {"backbone": 3}, r"'gan' cannot be made with \(backbone=3\)"),
        ("gan", {"backbone": {"name": "mlp", "width": 3}}, "unknown setting of backbone 'mlp'.*'width'.*norm"),
        ("gan", {"generator_optimizer": {"name": "Adamm", "lr": 0.1}}, "did you mean 'Adam'"),
        ("gan", {"generator_optimizer": {"name": "SGD", "lr": 0.1, "betas": [0, 0.9]}}, "SGD cannot be made with"),
        ("gan", {"generator_optimizer": {"lr": -1.0}}, "Invalid learning rate"),
        ("gan", {"generator_optimizer": {"lr": 0.1, "decay": 0.1}}, "'decay' .* shape = 'inverse'"),
        ("gan", {"generator_optimizer": {"lr": {"start": 0.1, "decay": "much"}}}, "decay of a schedule is 'much'"),
        ("gan", {"lr": {"start": 0.1, "shap": "cosine"}}, "did you mean 'shape'"),
        ("gan", {"lr": {"start": 0.1, "length": 5}}, "length .* no effect .* 'linear' or 'cosine'"),
        ("gan", {"lr": {"start": 0.1, "shape": "cosin"}}, "did you mean 'cosine'"),
        ("gan", {"ema": {"start": 0.5, "over": "epochs"}}, "unknown unit of a schedule.*images, updates"),
    ],
)
def test_a_mistake_is_one_clear_line(name, options, words):
    with pytest.raises(GanZooError, match=words) as error:
        registry.get(name, **options)
    assert "\n" not in str(error.value)


def test_a_plugin_file_joins(tmp_path):
    assert registry.load_plugin(_plugin(tmp_path / "mine.py")) == ["mine"]
    assert (registry.get("mine").batch_size, registry.get("mine", batch=32).batch_size) == (64, 32)
    assert registry.get("mine").name == "mine"
    with pytest.raises(GanZooError, match=r"'mine' is registered already, by make in .*mine\.py"):
        registry.load_plugin(_plugin(tmp_path / "second.py"))


def test_an_edited_plugin_takes_its_own_place(tmp_path, monkeypatch):
    """Two edits within a second, of the same length: no cache of Python's may answer with the old one."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "mine.py"
    for batch in (64, 32, 16):
        assert registry.load_plugin(_plugin(path, batch=batch)) == ["mine"]
        assert registry.get("mine").batch_size == batch
    for function in ("make", "another"):
        assert registry.load_plugin(_plugin(path, name="renamed", function=function)) == ["renamed"]
        assert "mine" not in registry.names()


_TWICE = """
from gan_zoo.registry import get, register

@register("mine")
def make():
    return get("gan")

@register("mine")
def another():
    return get("cgan")
"""


_REGISTER = "from gan_zoo.registry import register\n"
_UNPRINTABLE = """
class Unprintable(Exception):
    def __str__(self):
        raise SystemExit("no text")
    __repr__ = __str__
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("import sys\nsys.exit(0)", "cannot be run: SystemExit: 0"),
        ("raise GeneratorExit", "cannot be run: GeneratorExit"),
        ("class Odd(BaseException): pass\nraise Odd('why')", "cannot be run: Odd: why"),
        (f"{_UNPRINTABLE}\nraise Unprintable", "cannot be run: Unprintable, which has no message"),
        ("raise ValueError('x' * 10**6)", r"cannot be run: ValueError: x+\.\.\."),
        (f"{_REGISTER}import functools\nregister('a')(functools.partial(print))", "'a' is made by a partial"),
        (f"{_REGISTER}register('odd')(5)", "'odd' is made by a int"),
        (f"{_REGISTER}class Made:\n    def __call__(self): ...\nregister('a')(Made())", "'a' is made by a Made"),
        (f"{_REGISTER}register('a')(print)", "'a' is made by a builtin"),
        (f"{_REGISTER}register('a' * 101)(lambda: 5)", "cannot name a variant.*100"),
        ("x = " + "(" * 10**5, "cannot be run: SyntaxError"),
        ("def broken(:", "cannot be run: SyntaxError"),
        ("import no_such_module_at_all", "cannot be run: ModuleNotFoundError"),
        ("x = 1", "registers nothing"),
        ("raise ValueError('two\\nlines')", "two lines"),
        ("from gan_zoo import get\nget('cgna')", "did you mean 'cgan'"),
        (
            "from gan_zoo import register, get\nregister('gan')(lambda: get('cgan'))",
            r"'gan' is registered already, by gan",
        ),
        (_TWICE, "'mine' is registered already, by make"),
    ],
)
def test_a_plugin_that_does_not_work_is_one_clear_line(tmp_path, text, words):
    path = tmp_path / "bad.py"
    path.write_text(text)
    before = registry.names()
    with pytest.raises(GanZooError, match=words) as error:
        registry.load_plugin(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1200
    assert str(path) in str(error.value)
    assert registry.names() == before


@pytest.mark.parametrize("place", ["import", "function"])
def test_a_ctrl_c_in_a_plugin_goes_on(tmp_path, place):
    path = tmp_path / "slow.py"
    path.write_text(f"{_REGISTER}@register('slow')\ndef slow():\n    raise KeyboardInterrupt\n")
    if place == "import":
        path.write_text(path.read_text() + "slow()\n")
    with pytest.raises(KeyboardInterrupt):
        registry.load_plugin(path) and registry.get("slow")


def test_sources_are_the_files_it_is_made_from(tmp_path):
    assert registry.sources("gan") == [VARIANTS / "gan.py"]
    assert registry.sources("lsgan") == [VARIANTS / name for name in ("cgan.py", "gan.py", "lsgan.py")]
    path = _plugin(tmp_path / "mine.py", base="cgan")
    registry.load_plugin(path)
    assert registry.sources("mine") == sorted([VARIANTS / "cgan.py", VARIANTS / "gan.py", path])


def test_the_identity_of_code_is_the_revisions_of_all_it_is_made_from():
    assert registry.code_identity("lsgan") == {"revisions": {"cgan": 1, "gan": 1, "lsgan": 1}}
    registry.register("raised", revision=3)(lambda: registry.get("cgan"))
    assert registry.code_identity("raised")["revisions"] == {"cgan": 1, "gan": 1, "raised": 3}
    registry.register("either")(lambda *, base="gan": registry.get(base))
    assert registry.code_identity("either", base="dcgan")["revisions"] == {"dcgan": 1, "either": 1}


@pytest.mark.parametrize("revision", [0, -1, 1.5, "2", True])
def test_a_revision_is_a_positive_integer(revision):
    with pytest.raises(GanZooError, match=r"revision .* of variant 'odd'"):
        registry.register("odd", revision=revision)


def test_a_broken_edit_leaves_the_variant_and_its_revision(tmp_path):
    path = _plugin(tmp_path / "mine.py")
    registry.load_plugin(path)
    path.write_text(path.read_text().replace('register("mine")', 'register("mine", revision=2)') + "1 / 0\n")
    with pytest.raises(GanZooError, match="ZeroDivisionError"):
        registry.load_plugin(path)
    assert "mine" in registry.names()
    assert registry.code_identity("mine")["revisions"]["mine"] == 1


_DOCUMENTED = '''"""A module."""
from dataclasses import replace
from gan_zoo.registry import get, register

class Part:
    """A class."""
    size = 3

@register("mine")
def make(*, batch=64):
    """A function."""
    # A comment.
    return replace(get("cgan"), title="Mine", batch_size=batch)
'''


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("A module.", "Another text.", False),
        ('"""A module."""\n', "", False),
        ("A function.", "Two\n    lines.", False),
        ('    """A class."""\n', "", False),
        ("A comment.", "Another.", False),
        ("class Part", "\n\n\nclass Part", False),
        ('title="Mine"', "title='Mine'", False),
        ("batch=64", "batch=32", True),
        ("size = 3", "extent = 3", True),
        ("    size = 3", "    size = 3\n    'not a docstring'", True),
        ("    return", "    batch = batch + 0\n    return", True),
    ],
)
def test_a_plugin_is_identified_by_its_syntax_tree(tmp_path, old, new, changes):
    path = tmp_path / "mine.py"
    path.write_text(_DOCUMENTED)
    registry.load_plugin(path)
    before = registry.code_identity("mine")
    assert before["revisions"] == {"cgan": 1, "gan": 1, "mine": 1}
    assert list(before["plugins"]) == ["mine.py"]
    assert re.fullmatch("[0-9a-f]{64}", before["plugins"]["mine.py"])
    assert old in _DOCUMENTED
    path.write_text(_DOCUMENTED.replace(old, new))
    registry.load_plugin(path)
    assert (registry.code_identity("mine") != before) == changes


def test_the_identity_of_a_plugin_is_the_same_in_every_version_of_python(tmp_path):
    """A stored digest: runs of a plugin must not be trained again after an upgrade of Python."""
    (tmp_path / "mine.py").write_text(_DOCUMENTED)
    registry.load_plugin(tmp_path / "mine.py")
    assert registry.code_identity("mine")["plugins"]["mine.py"].startswith("7198384a93ff6c0e")


def test_a_variant_without_a_source_cannot_be_identified():
    space = {"__name__": "nowhere"}
    exec(compile("def odd():\n    return get('gan')\n", "<nowhere>", "exec"), space | {"get": registry.get}, space)
    registry.register("odd")(space["odd"])
    with pytest.raises(GanZooError, match=r"source .*nowhere.* cannot be read"):
        registry.code_identity("odd")


_ASK = "import sys; from gan_zoo import registry; print(registry.get('ours').batch_size); "
_ASK += "print(*registry.code_identity('ours')['plugins'].items()); "
_ASK += "print(*(path.name for path in registry.sources('ours')))"


def _package(folder, text):
    package, facts = folder / "zoo_ours", folder / "zoo_ours-1.0.dist-info"
    for made in (package / "inner", facts):
        made.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(text)
    (package / "inner" / "layers.py").write_text("WIDTH = 3\n")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-ours\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\nours = zoo_ours.models\n")


def test_an_installed_package_joins_by_its_entry_point(tmp_path):
    """In a process of its own, where nothing but the package's metadata names it; all its files decide its variants."""
    _plugin(tmp_path / "models.py", name="ours")
    _package(tmp_path / "site", (tmp_path / "models.py").read_text())
    code = f"import sys; sys.path.append({str(tmp_path / 'site')!r}); {_ASK}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    batch, plugins, files = done.stdout.splitlines()
    assert batch == "64"
    assert re.fullmatch(r"\('zoo_ours', '[0-9a-f]{64}'\)", plugins)
    assert sorted(files.split()) == ["__init__.py", "gan.py", "layers.py", "models.py"]


@pytest.mark.parametrize(
    ("text", "words"), [("1 / 0\n", "ZeroDivisionError"), ("raise SystemExit(0)", "SystemExit: 0")]
)
def test_a_broken_package_is_one_clear_line(monkeypatch, tmp_path, text, words):
    _package(tmp_path, text)
    for module in [name for name in sys.modules if name.startswith("zoo_ours")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_discover", registry._discover.__wrapped__)
    with pytest.raises(GanZooError, match=r"plugin 'zoo_ours\.models'.*cannot be loaded: " + words):
        registry.names()
    assert importlib.metadata.version("zoo-ours") == "1.0"


@pytest.mark.parametrize(
    "raised",
    [
        "KeyError('width')",
        "RuntimeError('two\\nlines')",
        "SystemExit(0)",
        "GeneratorExit()",
        "Oddity()",
        "Unprintable()",
    ],
)
def test_whatever_a_plugins_function_raises_is_one_clear_line(tmp_path, raised):
    path = tmp_path / "odd.py"
    odd = f"{_UNPRINTABLE}\nclass Odd(BaseException): pass\n"
    path.write_text(f"{_REGISTER}{odd}\n@register('odd')\ndef odd():\n    raise {raised}\n")
    registry.load_plugin(path)
    with pytest.raises(GanZooError, match=rf"^variant 'odd' cannot be made: .*{raised[:5]}.*odd\.py\)$") as error:
        registry.get("odd")
    assert "\n" not in str(error.value)


def test_a_function_without_a_return_is_one_clear_line(tmp_path):
    path = tmp_path / "forgotten.py"
    path.write_text(f"{_REGISTER}@register('forgotten')\ndef forgotten():\n    pass\n")
    registry.load_plugin(path)
    with pytest.raises(GanZooError, match=r"'forgotten'.* returned None; return a Variant \(in .*forgotten\.py\)$"):
        registry.get("forgotten")


def test_options_that_cannot_be_printed_or_are_nested_deeply_are_one_clear_line():
    class Unprintable:
        def __repr__(self):
            raise ValueError("no text")

    deep = []
    for _ in range(5000):
        deep = [deep]
    for value in (Unprintable(), deep, [0] * 10**6):
        with pytest.raises(GanZooError, match="batch_size") as error:
            registry.get("gan", batch_size=value)
        assert len(str(error.value)) < 1000


def test_a_source_that_is_nested_too_deeply_is_one_clear_line(tmp_path):
    path = _plugin(tmp_path / "deep.py", name="deep")
    path.write_text(f"{path.read_text()}\nX = {' + '.join('1' * 900)}\n")
    registry.load_plugin(path)
    with pytest.raises(GanZooError, match=r"deep\.py.*nested too deeply"):
        registry.code_identity("deep")


class Unprintable:
    def __repr__(self):
        raise ValueError("no text")


class Slotted:
    __slots__ = ("a",)


def looped():
    items = []
    items.append(items)
    return items


@pytest.mark.parametrize("make", [Unprintable, Slotted, looped])
def test_a_setting_without_a_description_is_one_line(make):
    with pytest.raises(GanZooError, match="no description that identifies it") as error:
        describe({"setting": make()})
    assert "\n" not in str(error.value)
