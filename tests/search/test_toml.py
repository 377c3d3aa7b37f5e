"""A suite's table as TOML text."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from gan_zoo.search.toml import toml

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
PLAIN = st.one_of(TEXT, st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=6)


@given(
    st.dictionaries(TEXT.filter(lambda key: key not in ("named", "presets")), VALUES),
    st.dictionaries(TEXT, st.dictionaries(TEXT, VALUES)),
)
def test_what_is_written_as_toml_is_read_back(plain, presets):
    assert tomllib.loads(toml({**plain, "presets": presets})).get("presets", {}) == presets
    assert tomllib.loads(toml(plain)) == plain


def test_an_empty_list_is_a_setting_and_none_is_not():
    table = {"options": {"gan": {"layers": [], "ema": None}}, "presets": {"smoke": {"targets": [], "variants": None}}}
    read = tomllib.loads(toml(table))
    assert read == {"options": {"gan": {"layers": []}}, "presets": {"smoke": {"targets": []}}}
