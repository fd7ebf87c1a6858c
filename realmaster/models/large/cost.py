"""A cost model of large models: what they need and how fast they can be. Imports no torch.

FLOP are twice the multiply-adds. A token costs, in every layer, 6 d^2 + 2 d f multiply-adds (self-attention's four
projections, cross-attention's query and output, the feed-forward); its attention 4 d FLOP for each token it attends
to. Sizes are from the models' own configurations.
"""

from __future__ import annotations

from dataclasses import dataclass

EFFICIENCY = 0.5
"""Share of a GPU's dense bf16 rate that a compiled denoiser reaches; published runs on H100s reach 0.35 to 0.65."""
GPUS = {"H200": (989, 141), "H100": (989, 80), "A100": (312, 80), "L40S": (362, 48), "RTX 5090": (210, 32),
        "RTX 4090": (165, 24), "RTX 3090": (71, 24)}
"""Dense bf16 TFLOP/s with f32 accumulation, and GB of memory, by their data sheets."""


RUNTIME_GB = 2.0
"""For the autoencoder and the runtime."""


def working_gb(shape: tuple[int, int, int], tokens: int, attention: str, size: int = 2) -> float:
    """GB besides the weights: the reference's keys and values, and activations, of numbers of `size` bytes.

    `shape` is the transformers' width, number of layers, and width of the feed-forward.
    """
    width, layers, feed_forward = shape
    cache = 2 * size * layers * width * tokens / 1e9 if attention == "one_way" else 0.0
    rows = tokens if attention == "one_way" else 2 * tokens
    return cache + size * rows * (6 * width + 2 * feed_forward) / 1e9 + RUNTIME_GB


@dataclass(frozen=True)
class KnownModel:
    """A model. `grid`: frames and pixels a latent voxel stands for; `patch`: latent pixels a token's side has."""

    name: str
    hub: str
    licence: str
    billions: float
    experts: int
    width: int
    layers: int
    feed_forward: int
    grid: tuple[int, int]
    patch: int

    def tokens(self, width: int, height: int, length: int) -> int:
        """Tokens of a window."""
        side = self.grid[1] * self.patch
        return ((length - 1) // self.grid[0] + 1) * (height // side) * (width // side)

    def forward_flop(self, tokens: int, context: int) -> float:
        """FLOP of one pass over `tokens`, each attending to `context` tokens."""
        d = self.width
        linear = 2 * self.layers * (6 * d * d + 2 * d * self.feed_forward)
        return tokens * linear + 4 * self.layers * d * tokens * context

    def window_flop(self, tokens: int, steps: int, attention: str) -> float:
        """FLOP of denoising a window beside a reference of the same size, guidance off."""
        if attention == "full":
            return steps * self.forward_flop(2 * tokens, 2 * tokens)
        return self.forward_flop(tokens, tokens) + steps * self.forward_flop(tokens, 2 * tokens)

    def memory_gb(self, tokens: int, attention: str) -> float:
        """GB while it renders, in bf16: weights, the reference's keys and values, and activations.

        The text encoder is not counted: it has gone when rendering begins.
        """
        return 2 * self.billions * self.experts + working_gb(
            (self.width, self.layers * self.experts, self.feed_forward), tokens, attention)


def frames_per_second(model: KnownModel, window: tuple[int, int, int], *, overlap: int, steps: int, attention: str,
                      tflops: float) -> float:
    """New frames a second that the denoiser alone can make of windows (width, height, length)."""
    flop = model.window_flop(model.tokens(*window), steps, attention)
    return (window[2] - overlap) * tflops * 1e12 * EFFICIENCY / flop
