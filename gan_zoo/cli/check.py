"""The contract's checks over one variant."""

from rich.console import Console

from gan_zoo import registry, validation
from gan_zoo.errors import PLUGIN_FAILURES, GanZooError


def check_variant(name: str, console: Console) -> None:
    """Run the contract's checks over a variant.

    Raises:
        GanZooError: a check fails.
    """
    variant = registry.get(name)
    broken = []
    for check_name, check in validation.CHECKS.items():
        try:
            check(variant)
        except PLUGIN_FAILURES as error:
            why = (
                str(error)
                if isinstance(error, (validation.Broken, GanZooError))
                else f"{type(error).__name__}: {error}"
            )
            broken.append(f"{check_name}: {' '.join(why.split())}")
        console.print(
            f"{'FAILED' if broken and broken[-1].startswith(f'{check_name}:') else 'ok':>6}  {check_name}",
            highlight=False,
        )
    if broken:
        raise GanZooError("\n".join(f"variant {name!r} breaks the contract: {line}" for line in broken))
