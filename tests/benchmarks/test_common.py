"""What the command lines of all studies and timings share."""

import pytest

from benchmarks.speed import checkpoint_cost, report
from benchmarks.studies import fid_bias, loss_gradients


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (report.main, "--variants cgna"),
        (report.main, "--repeats 0"),
        (report.main, "--seconds-per-repeat -1"),
        (report.main, "--device tpu"),
        (checkpoint_cost.main, "--saves 0"),
        (loss_gradients.main, "--num-samples 0"),
        (fid_bias.main, "--data mnits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_one_line(main, words, tmp_path, capsys):
    assert main([*words.split(), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words.split()[-1] in line
    assert not (tmp_path / "out").exists()
