"""`gan-zoo compare` on real runs of toys, and on changed copies of them."""

import json
import re
import shutil

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Where the runs of the toys are stored, once they are made."""
    return tmp_path_factory.mktemp("stored") / "earlier"


@pytest.fixture
def earlier(stored, bench, tmp_path):
    """A folder of four seeds of two toys."""
    if not stored.exists():
        bench("made", seeds=[0, 1, 2, 3])
        (tmp_path / "made").rename(stored)
    shutil.copytree(stored, tmp_path / "earlier")
    return tmp_path / "earlier"


def copied(folder, name, *, factor=1.0, variant="by_heart"):
    """A copy of a folder as of other runs, in which a variant's FID is so many times as large."""
    made = folder.with_name(name)
    shutil.copytree(folder, made)
    manifest = json.loads((made / "manifest.json").read_text())
    for path in (made / "records").glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            # What is written by hand has no checksums, as records of earlier versions.
            row.pop("crc")
            row.pop("digest", None)
            if row["row"] == "metrics" and path.stem.startswith(variant):
                row["values"]["fid"] *= factor
        path.with_name(f"{path.stem}x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        path.unlink()
    manifest["runs"] = [f"{run}x" for run in manifest["runs"]]
    (made / "manifest.json").write_text(json.dumps(manifest))
    return made


def test_folders_of_another_protocol_are_refused_with_a_line_a_difference(gan_zoo, earlier, bench, tmp_path):
    bench("fewer", ("num_samples = 140\nbatch", "num_samples = 130\nbatch"), seeds=[0])
    result = gan_zoo("compare", earlier, tmp_path / "fewer", "--allow", "precision,versions,budget")
    assert (result.status, result.out) == (2, "")
    head, *lines = result.err.splitlines()
    assert "not comparable" in head
    assert lines == ["error: num_samples: 140 in earlier and 130 in fewer"]


def test_without_a_change_there_is_one_ranking_and_no_regression(gan_zoo, earlier, tmp_path):
    later, out = copied(earlier, "later"), tmp_path / "both"
    result = gan_zoo("compare", earlier, later, "--out", out, "--fail-on-regression", columns=140)
    assert (result.status, result.err) == (0, "")
    assert (
        "digits, 32 x 32, 1 channel, test split, extractor digits-cnn, num_samples 140, fp32: final FID" in result.out
    )
    for name in ("by_heart (earlier)", "by_heart (later)", "sibling (earlier)", "real (later)"):
        assert name in result.out
    ranking, contrasts = pd.read_csv(out / "compare.csv"), pd.read_csv(out / "contrasts.csv")
    assert sorted(ranking["folder"].unique()) == ["earlier", "later"]
    assert contrasts["ratio"].tolist() == pytest.approx([1.0, 1.0])
    text = (out / "compare.md").read_text()
    assert r"| by\_heart (later) |" in text
    assert str(tmp_path) not in text


def test_words_of_other_folders_are_neither_html_nor_commands_for_the_terminal(gan_zoo, earlier, tmp_path):
    later = copied(earlier, "<img src=x> [a](javascript:alert(1)) \x1b[31mred")
    result = gan_zoo("compare", earlier, later, "--out", tmp_path / "both", columns=200)
    assert r"\x1b[31mred" in result.out
    assert "\x1b" not in result.out
    text = (tmp_path / "both" / "compare.md").read_text()
    assert not re.search(r"(?<!\\)<|(?<!\\)\]\(|\x1b", text)
    assert r"- by\_heart: seeds 0, 1, 2, 3 in earlier and \<img src=x\>" in text


def test_a_planted_regression(gan_zoo, earlier, tmp_path):
    """On 80 columns it has its verdict, with the level of its p; ties are marked behind the rank."""
    later = copied(earlier, "later", factor=3.0)
    result = gan_zoo("compare", earlier, later, "--out", tmp_path / "both", columns=80)
    assert result.status == 0
    lines = result.out.splitlines()
    heads = next(line for line in lines if "verdict" in line)
    assert heads.split()[:2] == ["variant", "verdict"]
    assert "p (Holm)" in heads
    (row,) = (line for line in lines if "regression (FID)" in line)
    assert row.split()[0] == "by_heart"
    assert max(len(heads), len(row)) <= 80
    assert "significant: p (Holm) at most 2.5%" in lines

    names = ("by_heart (earlier)", "by_heart (later)", "sibling (earlier)", "sibling (later)")
    places = {name: line.split()[0] for line in lines for name in names if name in line}
    ranking = pd.read_csv(tmp_path / "both" / "compare.csv").set_index("name")
    assert not ranking["not_different"]["by_heart (later)"]
    assert ranking["not_different"].sum() >= 2
    for name, place in places.items():
        assert place.endswith("=") == (ranking["not_different"][name] and place != "1")
    assert "= not significantly different from the best" in lines
    assert "= not significantly different" in (tmp_path / "both" / "compare.md").read_text()

    failed = gan_zoo("compare", earlier, later, "--fail-on-regression")
    assert (failed.status, failed.err) == (1, "regression: worse than before: by_heart (later)\n")
    assert gan_zoo("compare", later, earlier, "--fail-on-regression").status == 0


def test_a_variant_that_is_missing_later_is_a_note_and_fails_on_request(gan_zoo, earlier):
    later = copied(earlier, "later")
    manifest = json.loads((later / "manifest.json").read_text())
    manifest["runs"] = [run for run in manifest["runs"] if not run.startswith("sibling")]
    (later / "manifest.json").write_text(json.dumps(manifest))
    result = gan_zoo("compare", earlier, later)
    assert result.status == 0
    assert "note: sibling is in earlier and not in later" in result.out
    failed = gan_zoo("compare", earlier, later, "--fail-on-regression")
    assert (failed.status, failed.err) == (1, "regression: missing: sibling (later)\n")


def test_bad_input_is_one_line(gan_zoo, earlier, tmp_path):
    assert "two or more" in gan_zoo("compare", earlier).error
    assert "named twice" in gan_zoo("compare", earlier, earlier).error
    assert "does not exist" in gan_zoo("compare", earlier, tmp_path / "nowhere").error
    assert "'side' cannot be allowed" in gan_zoo("compare", earlier, copied(earlier, "later"), "--allow", "side").error
