"""The wheel: built, installed outside of the clone, it has everything that the commands need."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wheel_runs_a_suite_outside_of_the_clone(tmp_path, monkeypatch):
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delenv("GAN_ZOO_DATA", raising=False)
    suite = ["bench", "mnist", "--preset", "smoke", "--variants", "gan", "--seeds", "0"]
    command = [sys.executable, "-m", "gan_zoo", *suite]
    ran = subprocess.run([*command, "--threads", "1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "runs" / "mnist-smoke" / "report.html").is_file()
    where = subprocess.run(
        [sys.executable, "-c", "import gan_zoo; print(gan_zoo.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()) == site / "gan_zoo" / "__init__.py"
    assert (site / "gan_zoo" / "py.typed").is_file()
