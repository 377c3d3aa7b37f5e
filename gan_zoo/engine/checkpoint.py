"""Checkpoints: the whole state in one safetensors file with a digest; no pickle, so that a file cannot run code."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.checked import fault
from gan_zoo.device import pick
from gan_zoo.engine.checkpoint_facts import Facts
from gan_zoo.engine.sampler import Sampler
from gan_zoo.engine.state import State, build_networks
from gan_zoo.errors import DamagedFileError, GanZooError
from gan_zoo.io import writing
from gan_zoo.tensors import load_tensors, save_tensors
from gan_zoo.variant import Networks, Variant

FORMAT = "gan-zoo checkpoint 2"
_COUNTS = {name: name for name in ("cursor", "images", "discriminator_steps", "generator_steps", "seconds")}
_COUNTS["rounds"] = "iterations"
"""Attributes of a state by their key in a file."""
_SMALL = 2**24
"""Elements of a tensor that networks may have also if no tensor in the file is as large."""


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file: tensors by name, and facts."""

    path: Path
    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def variant(self) -> Variant:
        """The variant it was trained as, from the registry.

        Raises:
            GanZooError: the variant is not registered here, or does not take its options.
        """
        name = self.facts["variant"]
        if name not in registry.names():
            raise GanZooError(
                f"{self.path} holds variant {name!r}, which is not registered here: name its file with --plugin"
            )
        try:
            return registry.get(name, **self.facts["options"])
        except GanZooError as error:
            raise GanZooError(f"{self.path}: key 'options': {error}") from None

    @property
    def data_name(self) -> str:
        """The name that its data set is loaded by: the set's own, or that it was requested by, e.g. ``folder:PATH``."""
        own: str = self.facts["data"]
        return own if data_sets.is_known(own) else str(self.facts["requested"])

    @property
    def channels(self) -> int | None:
        """Channels of its images; None for points."""
        shape = self.facts["shape"]
        return int(shape[0]) if len(shape) == 3 else None

    def networks(self, device: str | torch.device | None = None) -> Networks:
        """Both networks in evaluation mode, the generator with the moving average if there is one.

        Raises:
            GanZooError: as ``variant``, or networks that cannot be built, or that its tensors do not fit.
        """
        variant = self.variant
        return Networks(*(self._network(variant, player, device) for player in Networks._fields))

    def _network(self, variant: Variant, player: str, device: str | torch.device | None) -> nn.Module:
        device = pick(device) if device is None or isinstance(device, str) else device
        try:
            with _SizeLimit(self.tensors):
                networks = build_networks(variant, tuple(self.facts["shape"]), self.facts["classes"])
        except GanZooError as error:
            raise _mismatch(self, error) from None
        network: nn.Module = getattr(networks, player)
        prefix = "ema" if player == "generator" and variant.ema else player
        try:
            network.load_state_dict(_under(self.tensors, prefix))
        except RuntimeError as error:
            raise _mismatch(self, error) from None
        return network.to(device).eval()

    def sampler(self, device: str | torch.device | None = None) -> Sampler:
        """The sampler of its generator, or of the moving average if there is one.

        Raises:
            GanZooError: as ``networks``.
        """
        variant = self.variant
        generator = self._network(variant, "generator", device)
        return Sampler(variant, generator, self.facts["classes"], "ema" if variant.ema else "raw")


class _SizeLimit(TorchDispatchMode):
    """Within it, no tensor is made that is larger than all in a file: the facts of one may ask for terabytes.

    Nor may the tensors that are made have far more elements together.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        sizes = [value.numel() for value in tensors.values()]
        self.limit = max([_SMALL, *sizes])
        self.left = 16 * (_SMALL + sum(sizes))

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation of torch; those that make a tensor have its shape as their first argument."""
        shape = args[0] if args and isinstance(args[0], (list, tuple)) else ()
        size = math.prod(shape) if shape and all(isinstance(side, int) for side in shape) else 0
        self.left -= size
        if size > self.limit or self.left < 0:
            raise GanZooError(f"its networks have a tensor of shape {list(shape)}: more than the file has")
        return function(*args, **(kwargs or {}))


def _mismatch(checkpoint: Checkpoint, error: Exception) -> GanZooError:
    reason = " ".join(str(error).split())[:200]
    return GanZooError(f"{checkpoint.path} does not fit variant {checkpoint.facts['variant']!r} as it is now: {reason}")


def previous(path: Path) -> Path:
    """The path of the checkpoint that ``save`` replaced."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save(state: State, path: Path, *, keep_previous: bool = False) -> None:
    """Write a state; a kill at any instant leaves the old file or the new one.

    Args:
        state: the state.
        path: the file; its folder is created.
        keep_previous: keep the file that is replaced as ``previous(path)``.

    Raises:
        GanZooError: the variant was not made by the registry, or not from plain options.
        StorageError: the path cannot be written.
    """
    if not state.variant.name:
        raise GanZooError(f"variant {state.variant.title!r} has no name: register it before saving a checkpoint")
    tensors = _tensors(state)
    facts = {
        "format": FORMAT,
        **_run_of(state),
        "requested": state.data_requested,
        "data_options": vars(state.data_options),
        "shape": list(state.data.shape),
        "classes": state.classes,
        "counts": {key: getattr(state, name) for key, name in _COUNTS.items()},
        "warmup_seconds": state.warmup_seconds,
        "history": state.history.rows,
        "recorded": list(state.history.names),
        "optimizers": {
            player: _flatten(optimizer.state_dict(), f"optimizers.{player}", tensors)
            for player, optimizer in state.optimizers._asdict().items()
        },
    }
    # Cloned, because safetensors refuses tensors that share memory (tied weights).
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    # Written to a third file first, so that a full disk leaves both.
    draft = path.with_name(f"{path.stem}.next{path.suffix}") if keep_previous else path
    save_tensors(draft, copies, {"facts": json.dumps(facts)})
    if keep_previous:
        with writing(path):
            if path.is_file():
                path.replace(previous(path))
            draft.replace(path)


def _tensors(state: State) -> dict[str, Tensor]:
    """The tensors of a state by name, without those of the optimizers."""
    tensors: dict[str, Tensor] = {}
    for name, module in state.modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    tensors |= {f"objective.{name}": value for name, value in state.objective.items()}
    tensors |= {f"random.{purpose}": generator.get_state() for purpose, generator in state.random.items()}
    tensors |= {"random.default": state.default_random, "order": state.order}
    if state.history.pending:
        tensors["history.pending"] = torch.cat(state.history.pending)
    return tensors


def _run_of(state: State) -> dict[str, Any]:
    """The facts that must be equal for a checkpoint to be restored."""
    return {
        "variant": state.variant.name,
        "options": plain_options(state.variant),
        "data": state.data_name,
        "fingerprint": state.fingerprint,
        "seed": state.seed,
        "precision": state.precision,
    }


def load(path: Path) -> Checkpoint:
    """Read a checkpoint file.

    Raises:
        GanZooError: the file is missing.
        DamagedFileError: it is damaged, or no checkpoint of gan-zoo.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder without checkpoints" if path.is_dir() else "does not exist"
        raise GanZooError(f"{str(path)!r} {what}; name a folder or a checkpoint that `gan-zoo train` has written")
    try:
        tensors, metadata = load_tensors(path)
        facts = json.loads(metadata.get("facts", "{}"))
    except (OSError, ValueError, RecursionError, DamagedFileError) as error:
        raise DamagedFileError(f"{str(path)!r} is not a gan-zoo checkpoint, or is damaged: {error}") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise DamagedFileError(f"{str(path)!r} is a safetensors file, but not a gan-zoo checkpoint ({FORMAT!r})")
    if wrong := fault(Facts, facts):
        raise DamagedFileError(f"{str(path)!r} is a damaged checkpoint: {wrong}; name another, or train the run again")
    return Checkpoint(path, facts, tensors)


def restore(state: State, checkpoint: Checkpoint) -> State:
    """Restore a checkpoint into a state that ``init`` made for the same variant, data and seed.

    Raises:
        GanZooError: the checkpoint is of another variant, data set, seed or kind of device, or its tensors do not fit.
    """
    facts = checkpoint.facts
    tensors = checkpoint.tensors
    other = {key: value for key, value in _run_of(state).items() if facts.get(key) != value}
    # An option at its default value is the same variant.
    if [*other] == ["options"] and _settings(checkpoint.variant) == _settings(state.variant):
        other = {}
    if other:
        found = (f"{key} {facts.get(key)!r}, not {value!r}" for key, value in other.items())
        raise GanZooError(f"{checkpoint.path} is of {', '.join(found)}")
    try:
        for name, module in state.modules.items():
            module.load_state_dict(_under(tensors, name))
        for player, structure in facts["optimizers"].items():
            _load_optimizer(getattr(state.optimizers, player), _unflatten(structure, tensors))
        for purpose, generator in state.random.items():
            generator.set_state(tensors[f"random.{purpose}"])
        torch.Generator(state.device).set_state(tensors["random.default"])
        state.default_random = tensors["random.default"]
        _restore_order(state, tensors["order"], facts["counts"]["cursor"])
        for name, value in state.objective.items():
            value.copy_(tensors[f"objective.{name}"])
        state.history.pending = _pending(state, tensors, len(facts["recorded"]))
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _mismatch(checkpoint, error) from None
    for key, name in _COUNTS.items():
        setattr(state, name, facts["counts"][key])
    state.warmup_seconds += facts.get("warmup_seconds", 0.0)
    state.history.rows = list(facts["history"])
    state.history.names = tuple(facts["recorded"])
    return state


def _restore_order(state: State, order: Tensor, cursor: int) -> None:
    """Restore the order of an epoch; ValueError if it is none of the data."""
    samples = len(state.data)
    if cursor > samples or not torch.equal(order.sort().values, torch.arange(samples)):
        raise ValueError(f"the order of its epoch is not one of the {samples} training samples")
    state.order.copy_(order)


def _pending(state: State, tensors: Mapping[str, Tensor], values: int) -> list[Tensor]:
    """The iterations since the last row of history; ValueError if they have not this many values each."""
    pending = tensors.get("history.pending")
    if pending is None:
        return []
    if pending.dim() != 2 or pending.shape[1] != values:
        raise ValueError(f"history.pending has the shape {list(pending.shape)}, for {values} values an iteration")
    return [pending.to(state.device)]


def _load_optimizer(optimizer: torch.optim.Optimizer, stored: dict[str, Any]) -> None:
    """Load the moments, with the layout of their parameters, which a file does not hold; settings are the variant's."""
    settings = [dict(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(stored)
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _settings(variant: Variant) -> dict[str, Any]:
    """The settings of a variant, without its names and options."""
    apart = ("options", "label", "title", "paper", "deviations", "group")
    return {key: value for key, value in registry.describe(variant).items() if key not in apart}


def plain_options(variant: Variant) -> Any:
    """The options as JSON has them, tuples as lists.

    Raises:
        GanZooError: a file cannot hold them.
    """
    try:
        return json.loads(json.dumps(dict(variant.options)))
    except TypeError:
        raise GanZooError(
            f"variant {variant.name!r} was made with options that a file cannot hold; register a variant that has them"
        ) from None


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON, its tensors moved to ``tensors`` by name; mappings become pairs, as keys may be integers."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"pairs": [[key, _flatten(inner, f"{name}.{key}", tensors)] for key, inner in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_flatten(inner, f"{name}.{index}", tensors) for index, inner in enumerate(value)]
    return value


def _unflatten(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unflatten(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    return {key: _unflatten(inner, tensors) for key, inner in value["pairs"]}
