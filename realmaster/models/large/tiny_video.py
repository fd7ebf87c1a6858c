"""TAEHV: tiny autoencoders that stand in for a large model's own, many times faster and a little softer.

The network is that of madebyollin's `taehv.py` (MIT), whose weights for Wan, LTX-Video and others go by the names
taew2_1, taew2_2, taeltx_2. What differs between them is read from the shapes in the file, not from its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from realmaster.errors import UserError
from realmaster.models.large.tokens import Grid
from realmaster.models.large.video import Autoencoder, Features

WIDTHS = (256, 128, 64, 64)
"""Channels of the decoder's stages; the encoder has 64 throughout."""
POOLS, GROWS = ("encoder.2", "encoder.7", "encoder.12"), ("decoder.7", "decoder.13", "decoder.19")
"""Where time is made shorter and longer, stage by stage."""


def _conv(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias)


class _Memory(nn.Module):
    """A residual block that sees each frame (N, T, C, H, W) and the one before it: `last`, or zeros, for the first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(2 * width, width), nn.ReLU(), _conv(width, width), nn.ReLU(),
                                  _conv(width, width))

    def forward(self, x: Tensor, last: Tensor | None) -> Tensor:
        first = torch.zeros_like(x[:, :1]) if last is None else last
        both = torch.cat([x, torch.cat([first, x[:, :-1]], 1)], 2)
        return torch.relu(_each(self.conv, both) + x)


class _Pool(nn.Module):
    """`stride` frames to one."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.conv = stride, nn.Conv2d(width * stride, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return _each(self.conv, x.unflatten(1, (-1, self.stride)).flatten(2, 3))


class _Grow(nn.Module):
    """One frame to `stride`."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.conv = stride, nn.Conv2d(width, width * stride, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return _each(self.conv, x).unflatten(2, (self.stride, -1)).flatten(1, 2)


class _Bound(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


def _stride(weight: Tensor) -> int:
    """Of a `_Pool` or `_Grow` with this weight."""
    outputs, inputs = weight.shape[:2]
    return max(outputs, inputs) // min(outputs, inputs)


def _each(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`layer`, which knows pictures, on every frame of (N, T, C, H, W)."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class TAEHV(nn.Module):
    """`pools` and `grows` are the stages' strides in time, `patch` the side of the squares that pixels come in."""

    def __init__(self, latents: int, patch: int, pools: tuple[int, ...], grows: tuple[int, ...]) -> None:
        super().__init__()
        pixels = 3 * patch * patch
        encoder: list[nn.Module] = [_conv(pixels, 64), nn.ReLU()]
        for stride in pools:
            encoder += [_Pool(64, stride), _conv(64, 64, 2, bias=False), *(_Memory(64) for _ in range(3))]
        self.encoder = nn.ModuleList([*encoder, _conv(64, latents)])
        decoder: list[nn.Module] = [_Bound(), _conv(latents, WIDTHS[0]), nn.ReLU()]
        for stride, width, following in zip(grows, WIDTHS, WIDTHS[1:], strict=False):
            decoder += [*(_Memory(width) for _ in range(3)), nn.Upsample(scale_factor=2), _Grow(width, stride),
                        _conv(width, following, bias=False)]
        self.decoder = nn.ModuleList([*decoder, nn.ReLU(), _conv(WIDTHS[-1], pixels)])

    @staticmethod
    def run(layers: nn.ModuleList, x: Tensor, before: Features | None = None) -> tuple[Tensor, Features]:
        """(N, T, C, H, W) through all layers, going on from `before`; with the last frame that each memory saw."""
        past, features = iter(before or ()), []
        for layer in layers:
            if isinstance(layer, _Memory):
                features.append(x[:, -1:].clone())
                x = layer(x, next(past, None))
            else:
                x = layer(x) if isinstance(layer, _Pool | _Grow) else _each(layer, x)
        return x, features


class TinyVideo(Autoencoder):
    """Weights in the TAEHV layout.

    Its latents are the diffusion model's own, already normalised. Raises `UserError` if `path` holds no such weights.
    """

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        try:
            weights = load_file(path)
            pools, grows = (tuple(_stride(weights[f"{at}.conv.weight"]) for at in places)
                            for places in (POOLS, GROWS))
            self.patch = round((weights["encoder.0.weight"].shape[1] / 3) ** 0.5)
            self.channels = weights["decoder.1.weight"].shape[1]
            self.vae = TAEHV(self.channels, self.patch, pools, grows)
            self.vae.load_state_dict(weights)
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise UserError(f"--tiny-vae {path} holds no TAEHV weights in safetensors: {error}") from error
        self._dtype = dtype
        self.vae.to(dtype).eval().requires_grad_(False)
        time = int(torch.tensor(pools).prod())
        self.grid = Grid(time, 8 * self.patch, 8 * self.patch)

    def tile(self) -> None:
        """See `Autoencoder.tile`. It needs little memory as it is."""

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """See `Autoencoder.encode`. The last frame is repeated until frames fill whole latents."""
        missing = -video.shape[1] % self.grid[0]
        x = torch.cat([video, video[:, -1:].expand(-1, missing, -1, -1, -1)], 1)
        x = _each(lambda frames: F.pixel_unshuffle(frames, self.patch), (x + 1) / 2)
        return TAEHV.run(self.vae.encoder, x.to(self._dtype))[0].float().transpose(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """See `Autoencoder.decode`."""
        return self.decode_on(latents, None)[0]

    @torch.no_grad()
    def decode_on(self, latents: Tensor, before: Features | None) -> tuple[Tensor, Features]:
        """See `DecodesOn.decode_on`. The first latent holds one frame: what comes before it is left out."""
        x, features = TAEHV.run(self.vae.decoder, latents.transpose(1, 2).to(self._dtype), before)
        frames = _each(lambda pixels: F.pixel_shuffle(pixels, self.patch), x)
        frames = frames[:, self.grid[0] - 1:] if before is None else frames
        return frames.float().clamp(0, 1) * 2 - 1, features
