"""`gan-zoo search` as a user meets it."""

import pandas as pd
import pytest

WORDS = ("search", "toys.toml", "--preset", "smoke", "--jobs", "1", "--out", "out")
LR = "lr = { low = 1e-5, high = 1e-2, log = true }"


@pytest.fixture(autouse=True)
def _suite(suite, toys):
    suite()


@pytest.mark.slow
def test_it_says_what_is_varied_and_ends_with_the_table(gan_zoo, toys, tmp_path, no_report):
    result = gan_zoo(*WORDS, "--trials", "2", "--plugin", toys, columns=140)
    assert result.status == 0, result.err
    assert "sibling: lr 1e-05 to 0.01 (log); beta1 0 to 1; discriminator_steps 1 or 5" in result.out
    assert "1 at a time" in result.out
    assert "[7/7]" in result.out
    assert "best FID" in result.out
    assert "winners: out/winners.toml" in result.out
    command = f"gan-zoo bench out/winners.toml --preset smoke --plugin {toys} --jobs 1"
    assert f"next: {command}" in result.out
    assert gan_zoo(*command.split()[1:]).status == 0
    assert len(pd.read_csv(tmp_path / "out" / "trials.csv")) == 4
    again = gan_zoo(*WORDS, "--trials", "2", "--plugin", toys)
    assert "already finished" in again.out


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ((*WORDS, "--trials", "0"), ["trials is 0", "at least 1"]),
        ((*WORDS, "--trials", "2", "--seed", "-1"), ["seed is -1"]),
        ((*WORDS, "--trials", "2", "--variants", "gna"), ["unknown variant 'gna'", "did you mean 'gan'?"]),
        ((*WORDS, "--trials", "2", "--variants", ","), ["--variants ','"]),
        (("search", "nowhere.toml", "--trials", "1"), ["suite 'nowhere.toml' does not exist"]),
        (("search", "toys.toml", "--trials", "1", "--preset", "smoky"), ["unknown preset 'smoky'"]),
        ((*WORDS[:-1], "toys.toml/out", "--trials", "1", "--variants", "gan"), ["cannot write toys.toml/out"]),
    ],
    ids=" ".join,
)
def test_what_does_not_fit_is_one_line(gan_zoo, suite, tmp_path, words, parts):
    suite(('["by_heart", "sibling"]', '["gan"]'))
    before = sorted(tmp_path.rglob("*"))
    result = gan_zoo(*words)
    for part in parts:
        assert part in result.error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (LR.replace("1e-5", "1.0"), "toys.toml: key 'search.lr' is {'low': 1.0, 'high': 0.01"),
        (LR.replace("lr =", "rate ="), "toys.toml: unknown key 'search.rate'"),
    ],
)
def test_a_range_that_is_none_is_one_line(gan_zoo, suite, tmp_path, table, message):
    suite(('["by_heart", "sibling"]', '["gan"]'), ("[presets.smoke]", f"[search]\n{table}\n\n[presets.smoke]"))
    assert message in gan_zoo(*WORDS, "--trials", "1").error
    assert not (tmp_path / "out").exists()


def test_trials_are_required(gan_zoo):
    result = gan_zoo(*WORDS)
    assert result.status == 2
    assert "--trials" in result.err
