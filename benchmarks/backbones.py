"""How fast large denoisers run beside a reference: plain diffusers against ours, in one run, random weights.

`python -m benchmarks.backbones` on a GPU; `--toy` runs every line at toy size anywhere, to see that it runs. For each
model, number of steps and way of running: milliseconds a window, new frames a second, how many times the yardstick
(plain diffusers, both videos in one sequence), and which share of the compute floor that is: the FLOP that
`realmaster.models.large.cost` counts for that way, over what this GPU's matrix product reaches in the same run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from safetensors.torch import save_file

from benchmarks.common import machine
from realmaster.models.families.ltx import LTX
from realmaster.models.families.registry import Family
from realmaster.models.families.wan import WAN
from realmaster.models.large.cost import KnownModel
from realmaster.models.large.in_context import InContext, Reading, Reference
from realmaster.models.large.tiny_video import TAEHV, TinyVideo
from realmaster.models.large.tokens import Prompt, TokenTransformer
from realmaster.models.large.video import Autoencoder, DecodesOn, EncodesOn, LatentVideo
from realmaster.models.sampler import sigmas

TOY = "--toy" in sys.argv
WINDOW, STEPS, TEXT = (64, 128, 17) if TOY else (832, 480, 33), (1, 2, 4, 8), 512
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPE = torch.bfloat16 if DEVICE == "cuda" else torch.float32


@dataclass(frozen=True)
class Case:
    """A model with what it needs to be called."""

    known: KnownModel
    make: Callable[[], Any]
    vae: Callable[[], Any]

    @property
    def family(self) -> Family:
        """The family that knows the model."""
        return LTX if self.known.name.startswith("ltx") else WAN

    def tokens(self, model: Any, video: LatentVideo) -> TokenTransformer:
        """The adapter for a transformer."""
        return self.family.load().tokens(model, video.grid)


def _wan(known: KnownModel, channels: int, vae: Callable[[], Any]) -> Case:
    return Case(known, lambda: WanTransformer3DModel(
        num_attention_heads=known.width // 128, attention_head_dim=128, in_channels=channels, out_channels=channels,
        ffn_dim=known.feed_forward, num_layers=known.layers), vae)


def cases() -> list[Case]:
    """The models, at full size or as toys."""
    by_name = {model.name: model for model in (*WAN.known, *LTX.known)}
    small, five, ltx = (by_name[name] for name in ("wan2.1-1.3b", "wan2.2-5b", "ltx-video-2b"))
    if TOY:
        small, five, ltx = (replace(k, width=128, layers=2, feed_forward=256) for k in (small, five, ltx))
    base = 4 if TOY else 96
    statistics = {"latents_mean": [0.0] * 48, "latents_std": [1.0] * 48}
    ltx_vae = {"block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4, "layers_per_block": (1,) * 5,
               "decoder_layers_per_block": (1,) * 5} if TOY else {}
    return [
        _wan(small, 16, lambda: AutoencoderKLWan(base_dim=base)),
        _wan(five, 48, lambda: AutoencoderKLWan(
            base_dim=4 if TOY else 160, decoder_base_dim=4 if TOY else 256, z_dim=48, is_residual=True, patch_size=2,
            in_channels=12, out_channels=12, scale_factor_spatial=16, **statistics)),
        Case(ltx, lambda: LTXVideoTransformer3DModel(
            num_attention_heads=32, attention_head_dim=ltx.width // 32, cross_attention_dim=ltx.width,
            num_layers=ltx.layers), lambda: AutoencoderKLLTXVideo(**ltx_vae))]


def milliseconds(run: Callable[[], object]) -> float:
    """Best of three, after one to warm up."""
    taken: list[float] = []
    for _ in range(4):
        _sync()
        started = time.perf_counter()
        run()
        _sync()
        taken.append(time.perf_counter() - started)
    return min(taken[1:]) * 1e3


def _sync() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def ceiling() -> float:
    """TFLOP/s of a large matrix product on this machine."""
    n = 512 if TOY else 8192
    a, b = (torch.randn(n, n, device=DEVICE, dtype=DTYPE) for _ in range(2))
    return 2 * n ** 3 / milliseconds(lambda: a @ b) / 1e9


def graphed(run: Callable[[], object]) -> Callable[[], object]:
    """`run` as one CUDA graph: no launches between its kernels."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


class Inputs:
    """Random latents, reference and text for a window."""

    def __init__(self, video: LatentVideo, masked: bool) -> None:
        width, height, length = WINDOW
        self.size = video.size(length, height, width)
        self.noise, self.reference = (torch.randn(1, video.channels, *self.size, device=DEVICE, dtype=DTYPE)
                                      for _ in range(2))
        _, h, w = self.size
        self.half = torch.randn(1, video.channels, self.size[0], h // 4 * 2, w // 4 * 2, device=DEVICE, dtype=DTYPE)
        self.prompt = Prompt(torch.randn(1, TEXT, 4096, device=DEVICE, dtype=DTYPE),
                             torch.ones(1, TEXT, device=DEVICE) if masked else None)


@torch.no_grad()
def stock(model: Any, inputs: Inputs, steps: int) -> None:
    """Plain diffusers: the reference behind the target in one sequence, per-token timesteps, every step anew."""
    both, text = torch.cat([inputs.noise, inputs.reference], 2), inputs.prompt
    frames, height, width = inputs.size
    patch = 1 if text.mask is not None else 2
    count = frames * (height // patch) * (width // patch)
    for sigma in sigmas(steps)[:-1]:
        times = torch.cat([torch.full((1, count), 1000 * sigma), torch.zeros(1, count)], 1).to(DEVICE)
        if text.mask is not None:
            model(both.flatten(2).transpose(1, 2), text.embeds, times, text.mask, 2 * frames, height, width)
        else:
            model(both, times, text.embeds)


@torch.no_grad()
def ours(tokens: TokenTransformer, inputs: Inputs, steps: int, reading: Reading) -> None:
    """The loop of `realmaster.models.large.graphs` and `realmaster.models.sampler`."""
    context = InContext(tokens, reading.reach)
    x, clean = inputs.noise, Reference(inputs.reference if reading.scale == 1 else inputs.half, reading.scale)
    cache = context.write(clean, inputs.prompt) if reading.attention == "one_way" else None
    for sigma in sigmas(steps)[:-1]:
        timestep = torch.full((1,), 1000 * sigma, device=DEVICE)
        velocity = (context.joint(x, timestep, inputs.prompt, [clean], "full") if cache is None
                    else context.read(x, timestep, inputs.prompt, cache))
        x = x - velocity / steps


WAYS: dict[str, tuple[str, Reading]] = {
    "ours, full": ("full", Reading("full")), "ours, one_way, cached": ("one_way", Reading("one_way")),
    "the same, half-size reference": ("half", Reading("one_way", 2)),
    "the same, reference of its own frame": ("own", Reading("one_way", 1, 0))}
"""Ways of running: what their FLOP are counted as, and how the reference is read."""


def flop(known: KnownModel, tokens: int, steps: int, way: str) -> float:
    """What a window costs at least."""
    if way == "half":
        return known.forward_flop(tokens // 4, tokens // 4) + steps * known.forward_flop(tokens, tokens * 5 // 4)
    if way == "own":
        frames = (WINDOW[2] - 1) // known.grid[0] + 1
        return known.forward_flop(tokens, tokens) + steps * known.forward_flop(tokens, tokens + tokens // frames)
    return known.window_flop(tokens, steps, way)


def report(case: Case, peak: float) -> None:
    """Prints a model's lines. The yardstick is timed before anything of ours has touched the model."""
    known = case.known
    with torch.device(DEVICE):
        model, vae = case.make().to(DTYPE).eval(), case.vae().to(DTYPE).eval()
    video, tokens = case.family.load().video(vae), known.tokens(*WINDOW)
    inputs = Inputs(video, masked=known.name.startswith("ltx"))
    fresh = WINDOW[2] - overlap(video)
    print(f"\n{known.name}: {tokens} tokens a window, {fresh} new frames")
    pixels = torch.rand(1, WINDOW[2], 3, WINDOW[1], WINDOW[0], device=DEVICE) * 2 - 1
    pictures: dict[str, tuple[float, float]] = {}
    for name, coder in (("own", video), ("tiny", tiny_video(video))):
        pictures[f"{name} autoencoder"] = autoencoder(coder, pixels, inputs.noise)
        if (stages := streaming(coder, pixels, inputs.noise)) is not None:
            pictures[f"{name}, streaming"] = stages
    for name, stages in pictures.items():
        print(f"  {name}: encode {stages[0]:.1f} ms, decode {stages[1]:.1f} ms")
    yardstick: dict[int, float] = {}
    for steps in STEPS:
        yardstick[steps] = milliseconds(partial(stock, model, inputs, steps))
        line("plain diffusers, one sequence", steps, (yardstick[steps], yardstick[steps]),
             flop(known, tokens, steps, "full"), peak=peak, fresh=fresh)
    adapter = case.tokens(model, video)
    best: dict[int, float] = {}
    for compiled in (False, True):
        if compiled and DEVICE != "cuda":
            print("  compiled, as one CUDA graph: needs a GPU")
            break
        if compiled:
            model.compile_repeated_blocks(fullgraph=True)
        for name, (way, reading) in WAYS.items():
            for steps in STEPS:
                call = partial(ours, adapter, inputs, steps, reading)
                spent = milliseconds(graphed(call) if compiled else call)
                if reading == Reading("one_way"):
                    best[steps] = spent
                line(name + (", compiled, one graph" if compiled else ""), steps, (spent, yardstick[steps]),
                     flop(known, tokens, steps, way), peak=peak, fresh=fresh)
    for name, stages in pictures.items():
        for steps in STEPS:
            plain = sum(pictures["own autoencoder"]) + yardstick[steps]
            spent = sum(stages) + best[steps]
            print(f"  end to end, one_way, cached, {name:19} {steps} steps {spent:9.1f} ms  "
                  f"{fresh / spent * 1e3:7.2f} fps  {plain / spent:5.2f}x")


def tiny_video(own: LatentVideo) -> TinyVideo:
    """A TAEHV of random weights for the same latents."""
    time, side, _ = own.grid
    model = TAEHV(own.channels, side // 8, (2, 2, time // 4), (time // 4, 2, 2))
    with tempfile.TemporaryDirectory() as folder:
        save_file(model.state_dict(), path := Path(folder) / "tiny.safetensors")
        video = TinyVideo(path, DTYPE)
    video.vae.to(DEVICE)
    return video


def autoencoder(video: Autoencoder, pixels: torch.Tensor, latents: torch.Tensor) -> tuple[float, float]:
    """Milliseconds to encode and to decode a window."""
    return milliseconds(lambda: video.encode(pixels)), milliseconds(lambda: video.decode(latents))


def overlap(video: Autoencoder) -> int:
    """Frames that windows share: one latent's, and one."""
    return video.grid[0] + 1


@torch.no_grad()
def streaming(video: Autoencoder, pixels: torch.Tensor, latents: torch.Tensor) -> tuple[float, float] | None:
    """The same of a window that goes on from another, as `models.large.stream` does it; None if it cannot."""
    if not isinstance(video, DecodesOn):
        return None
    _, decoded = video.decode_on(latents, None)
    decode = milliseconds(lambda: video.decode_on(latents[:, :, 2:], decoded))
    if not isinstance(video, EncodesOn):
        return milliseconds(lambda: video.encode(pixels)), decode
    _, encoded = video.encode_on(pixels, None)
    new = pixels[:, overlap(video):]
    return milliseconds(lambda: (video.encode(pixels[:, :1]), video.encode_on(new, encoded))), decode


def line(name: str, steps: int, times: tuple[float, float], cost: float, *, peak: float, fresh: int) -> None:
    """One way of running a window with `fresh` new frames; `times` are its own and the yardstick's, in milliseconds."""
    spent, yardstick = times
    rate = cost / spent / 1e9
    print(f"  {name:46} {steps} steps {spent:9.1f} ms  {fresh / spent * 1e3:7.2f} fps  "
          f"{yardstick / spent:5.2f}x  {rate:6.1f} TFLOP/s, {rate / peak:4.0%} of the floor")


def main() -> None:
    """Prints the tables."""
    gpu = torch.cuda.get_device_name() if DEVICE == "cuda" else "no GPU"
    peak = ceiling()
    print(f"{machine()}\n{gpu}, torch {torch.__version__}, {DTYPE}; windows {WINDOW}; a matrix "
          f"product reaches {peak:.1f} TFLOP/s" + ("; toy sizes: the figures mean nothing" if TOY else ""))
    for case in cases():
        report(case, peak)


if __name__ == "__main__":
    main()
