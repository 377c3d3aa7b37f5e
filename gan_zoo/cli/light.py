"""Help that answers at once."""

import sys
from types import ModuleType

_UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}


def load_help() -> None:
    """Import what typer draws help with, but not the modules of it that our help never uses.

    They are half of the time that help takes: a parser of Markdown, and one of source code for colored tracebacks. They
    can still be imported afterwards.
    """
    placeholders = {name: ModuleType(name) for name in _UNUSED if name not in sys.modules}
    for name, module in placeholders.items():
        setattr(module, _UNUSED[name], type(_UNUSED[name], (), {}))
    sys.modules.update(placeholders)
    try:
        import typer.rich_utils  # noqa: F401
    finally:
        for name in placeholders:
            del sys.modules[name]
