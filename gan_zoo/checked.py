"""Types of what is read from files that may come from anyone, with bounds, and the check of a file's content."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gan_zoo.errors import validation_lines

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=200)]
Text = Annotated[str, Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Classes = Annotated[int, Field(ge=0, le=1_000_000)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Finite = Annotated[float, Field(ge=-1e100, le=1e100, allow_inf_nan=False)]
"""Squares of what 32 bits hold lie within; axes of figures could not show more."""
Pixels = Annotated[int, Field(ge=1, le=4096)]


class Checked(BaseModel):
    """Further keys are allowed: earlier and later versions have others."""

    model_config = ConfigDict(strict=True, extra="allow")


def fault(model: type[BaseModel], content: Mapping[str, Any]) -> str:
    """What is wrong with the content of a file, in a line; empty for a valid one.

    Example: ``key 'step' is -1: input should be greater than or equal to 0``.
    """
    try:
        model.model_validate(content)
    except ValidationError as error:
        return validation_lines(error, lambda _location: ())[0]
    return ""
