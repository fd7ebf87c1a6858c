"""The streaming model's autoencoder: 8 x 8 in space, 4 frames in time, 32 latent channels, one latent at a time.

Four frames become one latent frame. Both halves remember one latent: the encoder and the decoder see their own
features of the latent before. So a video can be coded group by group with the same result as whole, nothing twice.

The decoder also sees what the encoder saw of the game (as a U-Net's does), and adds to its picture the game's own
pixels times gains that it predicts for every 4 x 4 block, frame and colour (a local affine transfer, after Gharbi et
al., "Deep Bilateral Learning", 2017). So the latent carries what changes, and edges stay where the game has them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from realmaster.errors import UserError
from realmaster.models.tensor_files import save_tensors

GROUP, SPATIAL, CHANNELS = 4, 8, 32
"""Frames of a latent; pixels of a latent in height and width; channels of a latent."""
PATCH = 4
FILE = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class Seen:
    """What the encoder makes of a video of L groups: the `latent` (B, L, 32, h, w), its features at a quarter of the
    height and width, `fine` (B, L, F, 2h, 2w), and at an eighth, `coarse` (B, L, C, h, w); and what to remember.
    """

    latent: Tensor
    fine: Tensor
    coarse: Tensor
    past: Tensor


class ResBlock(nn.Module):
    """Two 3x3 convolutions around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.relu(self.a(F.relu(x))))


class Memory(nn.Module):
    """Mixes in the features of the latent before; before the first there are zeros."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features (B, L, C, h, w) and those (B, 1, C, h, w) that came before, to new ones and what to remember."""
        first = torch.zeros_like(x[:, :1]) if past is None else past
        before = torch.cat([first, x[:, :-1]], 1)
        mixed = self.mix(F.relu(torch.cat([x, before], 2).flatten(0, 1)))
        return x + mixed.unflatten(0, x.shape[:2]), x[:, -1:]


def groups(video: Tensor) -> Tensor:
    """(B, 4L, 3, H, W) to (B * L, 192, H/4, W/4): four frames and 4 x 4 pixels become channels."""
    return F.pixel_unshuffle(video.unflatten(1, (-1, GROUP)).flatten(2, 3).flatten(0, 1), PATCH)


def whole_tokens(video: Tensor) -> Tensor:
    """A video (B, T, 3, H, W) with its last rows and columns repeated up to multiples of a token's 16 pixels."""
    down, right = (-side % (2 * SPATIAL) for side in video.shape[-2:])
    return F.pad(video, (0, right, 0, down, 0, 0), mode="replicate") if down or right else video


class Codec(nn.Module):
    """Deterministic autoencoder; latents are normalised to zero mean and unit variance per channel."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, narrow: int = 64, wide: int = 128) -> None:
        super().__init__()
        self.narrow, self.wide = narrow, wide
        patch = 3 * GROUP * PATCH ** 2
        self.encode_fine = nn.Sequential(nn.Conv2d(patch, narrow, 1), ResBlock(narrow))
        self.encode_down = nn.Conv2d(narrow, wide, 4, stride=2, padding=1)
        self.encode_memory = Memory(wide)
        self.encode_coarse = ResBlock(wide)
        self.encode_latent = nn.Conv2d(wide, CHANNELS, 1)
        self.decode_latent = nn.Conv2d(CHANNELS, wide, 3, padding=1)
        self.decode_game = nn.Conv2d(wide, wide, 1)
        self.decode_memory = Memory(wide)
        self.decode_coarse = nn.Sequential(ResBlock(wide), ResBlock(wide), nn.ReLU(), nn.Conv2d(wide, 4 * narrow, 1),
                                           nn.PixelShuffle(2))
        self.decode_skip = nn.Conv2d(narrow, narrow, 1)
        self.decode_fine = nn.Sequential(ResBlock(narrow), ResBlock(narrow), nn.ReLU())
        self.picture = nn.Conv2d(narrow, patch, 3, padding=1)
        self.gain = nn.Conv2d(narrow, 3 * GROUP, 3, padding=1)
        for layer in (self.decode_game, self.decode_skip, self.gain):
            nn.init.zeros_(layer.weight)
        self.register_buffer("latent_mean", torch.zeros(CHANNELS))
        self.register_buffer("latent_std", torch.ones(CHANNELS))

    def see(self, video: Tensor, past: Tensor | None = None) -> Seen:
        """Encodes (B, 4L, 3, H, W) in [-1, 1]; `past` is what the groups before left, None at the start."""
        count = video.shape[0], video.shape[1] // GROUP
        fine = self.encode_fine(groups(video))
        features, kept = self.encode_memory(self.encode_down(fine).unflatten(0, count), past)
        coarse = self.encode_coarse(features.flatten(0, 1))
        latent = self.encode_latent(F.relu(coarse)).float()
        latent = (latent - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]
        return Seen(latent.unflatten(0, count), fine.unflatten(0, count), coarse.unflatten(0, count), kept)

    def show(self, latent: Tensor, seen: Seen, video: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Decodes latents (B, L, 32, h, w) beside what was `seen` of the game's `video` (B, 4L, 3, H, W).

        Returns the pictures, shaped as the video, nominally in [-1, 1], and what to remember.
        """
        count = latent.shape[:2]
        z = latent * self.latent_std[:, None, None] + self.latent_mean[:, None, None]
        x = self.decode_latent(z.flatten(0, 1)) + self.decode_game(F.relu(seen.coarse.flatten(0, 1)))
        x, kept = self.decode_memory(x.unflatten(0, count), past)
        x = self.decode_coarse(x.flatten(0, 1)) + self.decode_skip(F.relu(seen.fine.flatten(0, 1)))
        x = self.decode_fine(x)
        game = video.unflatten(1, (-1, GROUP)).flatten(2, 3).flatten(0, 1)
        gain = F.interpolate(self.gain(x).float(), scale_factor=float(PATCH), mode="bilinear")
        pictures = F.pixel_shuffle(self.picture(x).float(), PATCH) + gain * game
        return pictures.unflatten(0, count).unflatten(2, (GROUP, 3)).flatten(1, 2), kept

    def save(self, folder: Path) -> None:
        """Writes `config.json` and the weights (fp16), by diffusers' own names of files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"narrow": self.narrow, "wide": self.wide}) + "\n")
        save_tensors({k: v.detach().half() for k, v in self.state_dict().items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Codec:
        """Reads what `save` wrote, as fp32 in evaluation mode. Raises `UserError` if it cannot."""
        try:
            config = json.loads((folder / "config.json").read_text())
            state = load_file(folder / FILE)
            codec = cls(int(config["narrow"]), int(config["wide"]))
            codec.load_state_dict({k: v.float() for k, v in state.items()})
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise UserError(f"no usable autoencoder in {folder} ({type(error).__name__}): train one with "
                            "`realmaster train codec`, or copy the files again") from error
        return codec.eval()
