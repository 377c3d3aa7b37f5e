"""How every extractor runs its network over many images."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.features import Features


def encode_in_batches(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]], images: Tensor, batch: int, name: str, device: torch.device
) -> Features:
    """Run `encode` over `batch` uint8 images at a time and gather float32 vectors and logits on `device`.

    Raises GanZooError where `images` are not uint8 (N, C, H, W) with N > 0 and C 1 or 3.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0 or images.shape[1] not in (1, 3):
        raise GanZooError(
            f"extractor {name!r} cannot encode {images.dtype} of shape {tuple(images.shape)}: "
            "give it uint8 images (N, C, H, W) with 1 or 3 channels"
        )
    with full_float32(device):
        vectors, logits = zip(*(encode(chunk) for chunk in images.split(batch)), strict=True)
    return Features(torch.cat(vectors).float(), torch.cat(logits).float(), name)


@contextlib.contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Without TF32 on CUDA: runs trained in another precision are measured with the same features."""
    if device.type != "cuda":
        yield
        return
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
