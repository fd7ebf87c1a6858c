"""Exports the tiny model to four static ONNX graphs with the LoRA merged. Imports torch."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor

from realmaster.models.families.wan.tokens import WanTokens
from realmaster.models.large.in_context import InContext, Reference, stack, unstack
from realmaster.models.large.tokens import Prompt
from realmaster.models.tiny.autoencoder import LATENT_CHANNELS, SPATIAL, TEMPORAL, TinyVAE
from realmaster.models.tiny.files import load_lora, load_transformer, null_prompt, read_recipe
from trt_engines.export import OPSET, Graph, export_graph
from trt_engines.manifest import VERSION, Manifest, sha256, write_manifest


def export_tiny(checkpoint: Path, out: Path, width: int, height: int, length: int) -> Manifest:
    """Writes `out/{encode,write,read,decode}.onnx` and their manifest for windows of `length` frames."""
    vae = TinyVAE.load(checkpoint / "vae")
    transformer = load_transformer(checkpoint / "transformer")
    lora = checkpoint / "lora.safetensors"
    load_lora(transformer, lora)
    context = InContext(WanTokens(transformer))
    video = torch.zeros(1, length, 3, height, width)
    latent = torch.zeros(1, LATENT_CHANNELS, (length - 1) // TEMPORAL + 1, height // SPATIAL, width // SPATIAL)
    prompt = Prompt(null_prompt(1))
    cache = stack(context.write(Reference(latent), prompt)).detach()

    def write(reference: Tensor) -> Tensor:
        return stack(context.write(Reference(reference), prompt))

    def read(noisy: Tensor, timestep: Tensor, cache: Tensor) -> Tensor:
        return context.read(noisy, timestep, prompt, unstack(cache))

    jobs: dict[str, tuple[Graph, dict[str, Tensor]]] = {
        "encode": (Graph(vae, vae.encode), {"video": video}),
        "write": (Graph(transformer, write), {"reference": latent}),
        "read": (Graph(transformer, read), {"noisy": latent, "timestep": torch.tensor([1000.0]), "cache": cache}),
        "decode": (Graph(vae, vae.decode), {"latent": latent, "video": video})}
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, (graph, inputs) in jobs.items():
        export_graph(graph, inputs, part / f"{name}.onnx")
    files = [checkpoint / "vae" / "diffusion_pytorch_model.safetensors",
             checkpoint / "transformer" / "diffusion_pytorch_model.safetensors", lora]
    manifest = Manifest(
        version=VERSION, model="tiny", width=width, height=height, length=length, latent_channels=LATENT_CHANNELS,
        opset=OPSET, precision="fp32, weights stored as fp16", recipe=read_recipe(lora),
        sources={str(f.relative_to(checkpoint)): sha256(f) for f in files},
        graphs={f"{n}.onnx": sha256(part / f"{n}.onnx") for n in jobs})
    write_manifest(part, manifest)
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return manifest
