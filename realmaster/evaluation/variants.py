"""Runs the comparison models that `realmaster train --variant` makes: eager torch, the same windows as live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture.frame import Kind
from realmaster.guides.packing import pack_guides
from realmaster.models.families.wan.tokens import WanTokens
from realmaster.models.large.in_context import InContext, Reference
from realmaster.models.large.tokens import Prompt
from realmaster.models.sampler import noise
from realmaster.models.tiny.autoencoder import TinyVAE
from realmaster.models.tiny.files import GUIDES_PROMPT, load_lora, load_transformer, null_prompt, read_recipe
from realmaster.pairs.dataset import Pair
from realmaster.stream.stitch import Stitcher
from realmaster.training.data import to_frames, to_tensor

LENGTH, OVERLAP = 13, 5
Video = NDArray[np.uint8]


class VariantModel:
    """A finished variant in `folder`, over the base in `base`. One step; no latents are carried over."""

    needs = (Kind.DEPTH, Kind.NORMAL)

    def __init__(self, base: Path, folder: Path) -> None:
        self.recipe = read_recipe(folder / "lora.safetensors")
        self.variant = self.recipe.get("variant", "tiny")
        self.vae = TinyVAE.load(folder / "vae")
        transformer = load_transformer(base / "transformer")
        load_lora(transformer, folder / "lora.safetensors")
        self.context = InContext(WanTokens(transformer))

    @torch.inference_mode()
    def render(self, pair: Pair) -> Video:
        """The photoreal version of the pair's game frames."""
        guides = None
        if self.variant == "guides":
            guides = to_tensor(pack_guides(pair.buffers[Kind.NORMAL], pair.buffers[Kind.DEPTH]))
        length, overlap = (1, 0) if self.variant == "per-frame" else (LENGTH, OVERLAP)
        video, stitcher = to_tensor(pair.rendered), Stitcher(overlap)
        pieces: list[Video] = []
        for start in range(0, max(1, len(video) - overlap), length - overlap):
            index = torch.arange(start, start + length).clamp(max=len(video) - 1)
            out = self._window(video[index][None], None if guides is None else guides[index][None], start)
            valid = min(length, len(video) - start)
            for piece in stitcher.push(0, start, list(to_frames(out[0])[:valid])):
                pieces += piece.frames
        for piece in stitcher.flush():
            pieces += piece.frames
        return np.stack(pieces)

    def _window(self, video: Tensor, guides: Tensor | None, start: int) -> Tensor:
        prompt = Prompt(null_prompt(1))
        reference = self.vae.encode(video)
        cache = self.context.write(Reference(reference), prompt)
        if guides is not None:
            marked = self.context.write(Reference(self.vae.encode(guides)), Prompt(GUIDES_PROMPT))
            cache = self.context.join([cache, marked], reference.shape[2])
        x = torch.zeros_like(reference)
        if self.variant != "regression":
            x = torch.from_numpy(noise(0, 0, start // 4, tuple(reference.shape)))
        clean = x - self.context.read(x, torch.full((1,), 1000.0), prompt, cache)
        return self.vae.decode(clean, video)
