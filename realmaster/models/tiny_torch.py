"""The tiny model in eager torch: the reference that the exported graphs are held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realmaster.models.in_context import InContext
from realmaster.models.tiny import load_lora, load_transformer, null_prompt
from realmaster.models.tiny_vae import TinyVAE

F32 = NDArray[np.float32]


class TorchGraphs:
    """Base weights plus LoRA through peft, behind the same four functions as `trt_engines.ort`."""

    def __init__(self, checkpoint: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self.vae = TinyVAE.load(checkpoint / "vae")
        transformer = load_transformer(checkpoint / "transformer")
        load_lora(transformer, checkpoint / "lora.safetensors")
        self.context = InContext(transformer)
        self.prompt = null_prompt(1)

    @torch.inference_mode()
    def encode(self, video: F32) -> F32:
        """See `OrtGraphs.encode`."""
        return self.vae.encode(_tensor(video)).numpy()

    @torch.inference_mode()
    def write(self, reference: F32) -> F32:
        """See `OrtGraphs.write`."""
        return self.context.write(_tensor(reference), self.prompt).numpy()

    @torch.inference_mode()
    def read(self, noisy: F32, timestep: float, cache: F32) -> F32:
        """See `OrtGraphs.read`."""
        return self.context.read(_tensor(noisy), torch.tensor([timestep]), self.prompt, _tensor(cache)).numpy()

    @torch.inference_mode()
    def decode(self, latent: F32, video: F32) -> F32:
        """See `OrtGraphs.decode`."""
        return self.vae.decode(_tensor(latent), _tensor(video)).numpy()


def _tensor(array: F32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
