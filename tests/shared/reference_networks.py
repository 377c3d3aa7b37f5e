"""The networks of the systems S3 to S8 of SYSTEMS.md in plain torch; they share nothing with gan_zoo."""

from torch import nn
from torch.nn import functional as F


def _stem(*shape, eps=1e-5):
    size = shape[0] * shape[1] * shape[2]
    return [nn.Linear(100, size), nn.BatchNorm1d(size, eps=eps), nn.ReLU(), nn.Unflatten(1, shape)]


def _up(wide, narrow, *shape, bias=True):
    return [nn.ConvTranspose2d(wide, narrow, *shape, bias=bias), nn.BatchNorm2d(narrow), nn.ReLU()]


def _down(narrow, wide, *shape, bias=True, norm=True):
    norms = [nn.BatchNorm2d(wide)] if norm else []
    return [nn.Conv2d(narrow, wide, *shape, bias=bias), *norms, nn.LeakyReLU(0.2)]


def s3():
    generator = [*_stem(512, 4, 4), *_up(512, 256, 4, 2, 1), *_up(256, 128, 4, 2, 1)]
    generator += [nn.ConvTranspose2d(128, 1, 4, 2, 1), nn.Tanh()]
    discriminator = [*_down(1, 128, 3, 2, 1, norm=False), *_down(128, 256, 3, 2, 1), *_down(256, 512, 3, 2, 1)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Flatten(), nn.Linear(8192, 1))


def s5():
    generator = [nn.Unflatten(1, (100, 1, 1)), *_up(100, 128, 4, 1, 0, bias=False)]
    generator += [*_up(128, 64, 4, 2, 1, bias=False), *_up(64, 32, 4, 2, 1, bias=False)]
    generator += [nn.ConvTranspose2d(32, 1, 4, 2, 3, bias=False), nn.Tanh()]
    discriminator = [*_down(1, 16, 4, 2, 3, norm=False), *_down(16, 32, 4, 2, 1), *_down(32, 64, 4, 2, 1)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Conv2d(64, 1, 4, 2, 0))


def s6(w=2):
    generator = [nn.Unflatten(1, (100, 1, 1)), *_up(100, 8 * w, 4, 1, 0, bias=False)]
    discriminator = _down(3, w, 4, 2, 1, bias=False, norm=False)
    for narrow in (4 * w, 2 * w, w):
        generator += _up(2 * narrow, narrow, 4, 2, 1, bias=False)
    for narrow in (w, 2 * w, 4 * w):
        discriminator += _down(narrow, 2 * narrow, 4, 2, 1, bias=False)
    generator += [nn.ConvTranspose2d(w, 3, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Conv2d(8 * w, 1, 4, 1, 0, bias=False))


def s7(w=2):
    generator = [*_stem(4 * w, 4, 4), *_up(4 * w, 2 * w, 5, 2, 2, 1), *_up(2 * w, w, 5, 2, 2, 1)]
    generator += [nn.ConvTranspose2d(w, 1, 5, 2, 2, 1), nn.Tanh()]
    discriminator = [*_down(1, w, 5, 2, 2, norm=False), *_down(w, 2 * w, 5, 2, 2), *_down(2 * w, 4 * w, 5, 2, 2)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Flatten(), nn.Linear(4 * w * 16, 1))


class _Pad(nn.Module):
    """Rows and columns of zeros; negative: cropped."""

    def __init__(self, *sides):
        super().__init__()
        self.sides = sides

    def forward(self, x):
        return F.pad(x, self.sides)


def s8(w, dropout=0.4):
    """28 -> 14 -> 7 -> 4 -> 4: at the even sides one row and one column of zeros, right and below."""
    generator = _stem(8 * w, 7, 7, eps=1e-3)
    for narrow in (4 * w, 2 * w):
        generator += [nn.ConvTranspose2d(2 * narrow, narrow, 3, 2), _Pad(0, -1, 0, -1)]
        generator += [nn.BatchNorm2d(narrow, eps=1e-3), nn.ReLU()]
    generator += [nn.ConvTranspose2d(2 * w, w, 3, 1, 1), nn.BatchNorm2d(w, eps=1e-3), nn.ReLU()]
    generator += [nn.ConvTranspose2d(w, 1, 3, 1, 1), nn.Tanh()]
    discriminator = []
    for pad, convolution in (
        ([_Pad(0, 1, 0, 1)], nn.Conv2d(1, 2 * w, 3, 2)),
        ([_Pad(0, 1, 0, 1)], nn.Conv2d(2 * w, 4 * w, 3, 2)),
        ([], nn.Conv2d(4 * w, 8 * w, 3, 2, 1)),
        ([], nn.Conv2d(8 * w, 16 * w, 3, 1, 1)),
    ):
        discriminator += [*pad, convolution, nn.LeakyReLU(0.2), nn.Dropout(dropout)]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Flatten(), nn.Linear(16 * w * 16, 1))
