"""The tiny video autoencoder: 8 x 8 in space, 4 in time, 32 latent channels.

Four frames become the channels of one latent frame, so encoding is stateless; the decoder looks
one latent back (as TAEHV's memory blocks do), so decoding is causal. A window of 4k+1 frames has
k+1 latents: the first frame is repeated to fill the first group, as Wan's grid does.

The decoder may be given the game's frames. It then adds to its own picture the game's pixels times
gains that it predicts for every 4 x 4 block, frame and colour (a local affine transfer, after Gharbi
et al., "Deep Bilateral Learning", 2017), so that fine detail need not pass through the latents.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from realmaster.errors import UserError
from realmaster.models.tensor_files import save_tensors
from realmaster.models.tiny.codec import ResBlock

TEMPORAL, SPATIAL, LATENT_CHANNELS = 4, 8, 32


class MemoryBlock(nn.Module):
    """A residual block that also sees the previous latent's features (zeros before the first)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.past = nn.Conv2d(2 * channels, channels, 1)
        self.block = ResBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        past = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        mixed = self.past(torch.cat([x, past], 2).flatten(0, 1))
        return self.block(F.relu(mixed) + x.flatten(0, 1)).unflatten(0, x.shape[:2])


def _group(video: Tensor) -> Tensor:
    """(B, 4k+1, 3, H, W) to (B, k+1, 12, H, W): the first frame repeated, then four frames a group."""
    padded = torch.cat([video[:, :1].expand(-1, TEMPORAL - 1, -1, -1, -1), video], 1)
    return padded.unflatten(1, (-1, TEMPORAL)).flatten(2, 3)


class TinyVAE(nn.Module):
    """Deterministic autoencoder; latents are normalised to zero mean and unit variance per channel."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, narrow: int = 64, wide: int = 128) -> None:
        super().__init__()
        self.narrow, self.wide = narrow, wide
        patch = 3 * TEMPORAL * 16
        self.encoder = nn.Sequential(
            nn.Conv2d(patch, narrow, 3, padding=1), ResBlock(narrow),
            nn.Conv2d(narrow, wide, 4, stride=2, padding=1), ResBlock(wide), ResBlock(wide),
            nn.Conv2d(wide, LATENT_CHANNELS, 3, padding=1))
        self.decoder_in = nn.Conv2d(LATENT_CHANNELS, wide, 3, padding=1)
        self.memory = MemoryBlock(wide)
        self.decoder_low = nn.Sequential(
            ResBlock(wide), ResBlock(wide), nn.Conv2d(wide, 4 * narrow, 3, padding=1), nn.PixelShuffle(2))
        self.skip = nn.Conv2d(patch, narrow, 3, padding=1)
        self.decoder_high = nn.Sequential(ResBlock(narrow), ResBlock(narrow), nn.ReLU())
        self.picture = nn.Conv2d(narrow, patch, 3, padding=1)
        self.gain = nn.Conv2d(narrow, 3 * TEMPORAL, 3, padding=1)
        for layer in (self.skip, self.gain):  # without a reference, and before training, they add nothing
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        self.register_buffer("latent_mean", torch.zeros(LATENT_CHANNELS))
        self.register_buffer("latent_std", torch.ones(LATENT_CHANNELS))

    def encode(self, video: Tensor) -> Tensor:
        """(B, 4k+1, 3, H, W) in [-1, 1] to normalised latents (B, 32, k+1, H/8, W/8)."""
        groups = _group(video)
        latent = self.encoder(F.pixel_unshuffle(groups.flatten(0, 1), 4)).unflatten(0, groups.shape[:2])
        latent = (latent - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]
        return latent.transpose(1, 2)

    def decode(self, latent: Tensor, reference: Tensor | None = None) -> Tensor:
        """Normalised latents (B, 32, L, h, w) to video (B, 4L-3, 3, 8h, 8w), nominally in [-1, 1].

        `reference` is the game's window, (B, 4L-3, 3, 8h, 8w) in [-1, 1].
        """
        z = latent.transpose(1, 2) * self.latent_std[:, None, None] + self.latent_mean[:, None, None]
        x = self.memory(F.relu(self.decoder_in(z.flatten(0, 1))).unflatten(0, z.shape[:2]))
        x = self.decoder_low(x.flatten(0, 1))
        game = None if reference is None else _group(reference).flatten(0, 1)
        if game is not None:
            x = x + self.skip(F.pixel_unshuffle(game, 4))
        x = self.decoder_high(x)
        frames = F.pixel_shuffle(self.picture(x), 4)
        if game is not None:
            frames = frames + F.interpolate(self.gain(x), scale_factor=4.0, mode="bilinear") * game
        return frames.unflatten(0, z.shape[:2]).unflatten(2, (TEMPORAL, 3)).flatten(1, 2)[:, TEMPORAL - 1:]

    def save(self, folder: Path) -> None:
        """Writes `config.json` and `diffusion_pytorch_model.safetensors` (fp16), diffusers' own names."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"narrow": self.narrow, "wide": self.wide}) + "\n")
        save_tensors({k: v.detach().half() for k, v in self.state_dict().items()},
                     folder / "diffusion_pytorch_model.safetensors")

    @classmethod
    def load(cls, folder: Path) -> TinyVAE:
        """Reads what `save` wrote, as fp32 in evaluation mode. Raises `UserError` if it cannot."""
        try:
            config = json.loads((folder / "config.json").read_text())
            state = load_file(folder / "diffusion_pytorch_model.safetensors")
            vae = cls(int(config["narrow"]), int(config["wide"]))
            vae.load_state_dict({k: v.float() for k, v in state.items()})
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise UserError(f"no usable autoencoder in {folder} ({type(error).__name__}): train one with "
                            "`realmaster train vae`, or copy the files again") from error
        return vae.eval()
