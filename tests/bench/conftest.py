import pytest


@pytest.fixture(autouse=True)
def _own(own_registry):
    """What a test registers is gone after it."""
