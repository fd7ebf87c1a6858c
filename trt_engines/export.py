"""Exports the tiny model to four static ONNX graphs with the LoRA merged. Imports torch.

Weights are stored as fp16 and cast to fp32 when a session loads, which halves the files; as the
checkpoint itself is fp16, nothing is lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from realmaster.models.large.in_context import InContext, Reference, stack, unstack
from realmaster.models.large.tokens import Prompt
from realmaster.models.large.wan import WanTokens
from realmaster.models.tiny.autoencoder import LATENT_CHANNELS, SPATIAL, TEMPORAL, TinyVAE
from realmaster.models.tiny.files import load_lora, load_transformer, null_prompt, read_recipe
from trt_engines.manifest import VERSION, Manifest, sha256, write_manifest

OPSET = 20
SMALL = 1024
"""Tensors with fewer numbers stay fp32."""


class _Graph(nn.Module):
    """A function over a module's weights, as the exporter wants it."""

    def __init__(self, module: nn.Module, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def _halve(path: Path) -> None:
    """Stores large fp32 initializers as fp16, each followed by a Cast that the runtime folds away."""
    model = onnx.load(path)
    graph, casts = model.graph, []
    for i, tensor in enumerate(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALL:
            continue
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}_fp16")
        casts.append(onnx.helper.make_node("Cast", [half.name], [tensor.name], to=onnx.TensorProto.FLOAT))
        graph.initializer[i].CopyFrom(half)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    _forget_origins(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _forget_origins(model: onnx.ModelProto) -> None:
    """Drops the exporter's notes of source files and lines: they are large, and name folders of the machine."""
    for owner in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                  *model.graph.output, *model.graph.initializer):
        del owner.metadata_props[:]


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

    jobs: dict[str, tuple[_Graph, dict[str, Tensor]]] = {
        "encode": (_Graph(vae, vae.encode), {"video": video}),
        "write": (_Graph(transformer, write), {"reference": latent}),
        "read": (_Graph(transformer, read), {"noisy": latent, "timestep": torch.tensor([1000.0]), "cache": cache}),
        "decode": (_Graph(vae, vae.decode), {"latent": latent, "video": video})}
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, (module, inputs) in jobs.items():
        path = part / f"{name}.onnx"
        with torch.no_grad():
            program = torch.onnx.export(module.eval(), tuple(inputs.values()), dynamo=True, opset_version=OPSET,
                                        input_names=list(inputs), output_names=["out"], verbose=False)
        assert program is not None
        program.save(str(path), external_data=False)
        _halve(path)
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
