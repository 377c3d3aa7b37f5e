"""A GPU that torch cannot use, errors after which CUDA is gone, and peak memory."""

import pytest
import torch

from gan_zoo import device
from gan_zoo.device import gpu_share, is_fatal, peak_memory, pick, reset_peak_memory, unused_gpu
from gan_zoo.errors import GanZooError

CPU = torch.device("cpu")


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A machine with an NVIDIA GPU that torch, built for CUDA 13.2, does not see."""
    monkeypatch.setattr(device, "_GPU", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_a_gpu_that_torch_cannot_use_is_one_line(gpu, monkeypatch):
    assert f"{gpu} is not used" in unused_gpu()
    assert "CUDA 13.2; update the NVIDIA driver" in unused_gpu()
    with pytest.raises(GanZooError, match="update the NVIDIA driver"):
        pick("cuda")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built without CUDA" in unused_gpu()


@pytest.mark.parametrize("why", ["hidden", "hidden by an index", "used", "none"])
def test_there_is_nothing_to_report_of_a_gpu_that_is_hidden_or_used_or_missing(gpu, monkeypatch, why):
    if why.startswith("hidden"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "" if why == "hidden" else "-1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: why == "used")
    if why == "none":
        monkeypatch.setattr(device, "_GPU", gpu / "none")
    assert unused_gpu() == ""


@pytest.mark.parametrize(("works", "fatal"), [(True, False), (False, True)])
def test_an_error_is_fatal_where_the_device_fails_from_then_on(monkeypatch, works, fatal):
    def synchronize(_device):
        if not works:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    assert is_fatal(torch.AcceleratorError("CUDA error"), CPU) is fatal
    assert not is_fatal(torch.OutOfMemoryError("CUDA out of memory"), CPU)
    assert not is_fatal(RuntimeError("shapes"), CPU)


@pytest.mark.skipif(not device._CLEAR_REFS.exists(), reason="peak memory of a process is Linux's")
def test_memory_that_was_freed_does_not_count_after_a_reset():
    size = 200 * 2**20
    reset_peak_memory(CPU)
    before = peak_memory(CPU)
    block = torch.ones(size // 4)
    assert peak_memory(CPU) > before + 0.9 * size
    del block
    reset_peak_memory(CPU)
    assert peak_memory(CPU) < before + 0.5 * size


@pytest.mark.parametrize(("peak", "share"), [(0, 0.02), (5 * 2**30, 0.10), (30 * 2**30, 0.50), (79 * 2**30, 1.0)])
def test_a_run_gets_the_share_of_a_gpu_that_its_memory_needs(peak, share):
    assert gpu_share(peak, 80 * 2**30) == share
