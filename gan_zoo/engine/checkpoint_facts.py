"""The facts of a checkpoint file, which may be anyone's, with the bounds of their values."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from gan_zoo.checked import Amount, Checked, Classes, Count, Name, Pixels, Text
from gan_zoo.options import PRECISIONS


class _Counts(Checked):
    cursor: Count
    images: Count
    discriminator_steps: Count
    generator_steps: Count
    rounds: Count
    seconds: Amount


class _Row(Checked):
    step: Count
    images: Count
    seconds: Amount
    values: dict[Text, float | None]


class _Optimizers(Checked):
    generator: dict[str, Any]
    discriminator: dict[str, Any]


class _DataOptions(Checked):
    model_config = ConfigDict(strict=True, extra="forbid")

    channels: Literal[1, 3] | None = None
    test_share: Annotated[float, Field(ge=0, lt=1)] | None = None
    mirror: bool = False


class Facts(Checked):
    """What a checkpoint file says of its tensors."""

    variant: Name
    options: dict[str, Any]
    data: Text
    requested: Text
    data_options: _DataOptions = _DataOptions()
    fingerprint: Text
    seed: Count
    precision: Literal[tuple(PRECISIONS)]  # type: ignore[valid-type]
    shape: Annotated[list[Pixels], Field(min_length=1, max_length=3)]
    classes: Classes
    counts: _Counts
    warmup_seconds: Amount = 0.0
    history: list[_Row]
    recorded: list[Text]
    optimizers: _Optimizers
