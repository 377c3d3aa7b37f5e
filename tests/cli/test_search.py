"""`gan-zoo search` as a user meets it."""

import pandas as pd
import pytest

WORDS = ("search", "toys.toml", "--preset", "smoke", "--jobs", "1", "--out", "out")


@pytest.mark.slow
def test_it_lists_what_is_varied_and_ends_with_the_table(gan_zoo, suite, toys, tmp_path, no_report):
    suite()
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


def test_trials_are_required(gan_zoo):
    result = gan_zoo(*WORDS)
    assert result.status == 2
    assert "--trials" in result.err
