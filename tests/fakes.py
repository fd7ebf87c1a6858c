"""The one fake, a renderer that tints, which stands behind the same contract suite as the real one; and a sink."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from bridge.contract import ModelSpec, Pixels, Rendered, Window
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats

SPEC = ModelSpec(model="tint", width=64, height=48, length=13, overlap=5)


class Keep:
    """A sink that keeps all that is shown."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []

    @property
    def photos(self) -> list[Shown]:
        return [shown for shown in self.shown if shown.photo is not None]

    def show(self, shown: Shown, _stats: Stats) -> None:
        self.shown.append(shown)

    def close(self) -> None:
        pass


class TintBackend:
    """Inverts the frames, and brightens them by how many windows led up to this one without a gap."""

    def __init__(self, spec: ModelSpec = SPEC, pipelined: bool = False) -> None:
        self.spec, self.pipelined = spec, pipelined
        self.gate, self.decode_gate = threading.Event(), threading.Event()
        self.gate.set()
        self.decode_gate.set()
        self.fail = False
        self.rendered = threading.Semaphore(0)
        """Released once for every window that is rendered, decoded or not."""

    def pack(self, carry: object) -> dict[str, np.ndarray]:
        return {"depth": np.array([carry], np.float32)} if isinstance(carry, int) else {}

    def unpack(self, arrays: dict[str, np.ndarray]) -> object:
        return int(arrays["depth"][0]) if arrays else None

    def render(self, window: Window, frames: Sequence[Pixels], carry: object) -> Rendered:
        self.gate.wait(20)
        if self.fail:
            raise RuntimeError("asked to fail")
        depth = carry + 1 if isinstance(carry, int) else 0
        strength = window.settings.strength
        pixels = np.stack(frames)
        tinted = 255 - pixels.astype(np.float32) * 0.5 - min(depth, 20)
        mixed = strength * tinted + (1 - strength) * pixels
        self.rendered.release()
        return Rendered(depth, lambda: self._decode(mixed))

    def _decode(self, mixed: np.ndarray) -> tuple[list[Pixels], dict[str, float]]:
        self.decode_gate.wait(20)
        return list(np.clip(np.rint(mixed), 0, 255).astype(np.uint8)), {"tint": 1.0}
