"""How long and on what each stage trains. The numbers are this project's own, found on two CPU cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realmaster.training.settings import StageName

FRAMES = 13
"""Frames in a training window: the live model's own."""
RANK = 64
WHOLE = (144, 256)
"""Height and width of the pairs' frames. Attention does not extrapolate to positions it never saw (whole frames come
out with ghosts), so a transformer's last phase is always on whole frames."""


@dataclass(frozen=True)
class Phase:
    """`steps` batches of `batch` windows, `crop` their height and width in pixels; for the streaming model, `groups` of
    four frames they are long, and whether a critic of sharpness learns beside it, and then judges it.
    """

    steps: int
    batch: int
    crop: tuple[int, int]
    groups: int = 0
    critic: Literal["", "learns", "judges"] = ""


@dataclass(frozen=True)
class Stage:
    """Phases under one warm-up and cosine decay from learning rate `peak`."""

    name: str
    phases: tuple[Phase, ...]
    peak: float

    @property
    def steps(self) -> int:
        """All phases together."""
        return sum(phase.steps for phase in self.phases)

    def phase(self, step: int) -> Phase:
        """The phase that `step` belongs to."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        raise ValueError("the stage is over")


def _recipe(vae: int, base: tuple[int, int], lora: tuple[int, int], few: int) -> dict[StageName, Stage]:
    small = (96, 128)
    return {
        "vae": Stage("vae", (Phase(vae, 6, small),), 1.5e-3),
        "base": Stage("base", (Phase(base[0], 12, small), Phase(base[1], 4, WHOLE)), 1e-3),
        "lora": Stage("lora", (Phase(lora[0], 12, small), Phase(lora[1], 4, WHOLE)), 2e-3),
        "few-step": Stage("few-step", (Phase(few, 2, WHOLE),), 5e-4),
    }


PRESETS: dict[str, dict[StageName, Stage]] = {
    "smoke": {name: Stage(name, tuple(Phase(4, 2, (96, 128)) for _ in range(2)), 1e-3)
              for name in ("vae", "base", "lora", "few-step")},
    "short": _recipe(vae=1000, base=(400, 150), lora=(100, 50), few=200),
    "tiny": _recipe(vae=1000, base=(400, 150), lora=(400, 150), few=1800),
}


def _streaming(codec: int, flow: int, rollout: int) -> dict[StageName, Stage]:
    """The critic joins after two fifths of the roll-outs, and has its say after a twentieth more."""
    return {
        "codec": Stage("codec", (Phase(codec, 4, (96, 128), 3),), 1.5e-3),
        "flow": Stage("flow", (Phase(flow, 2, WHOLE, 4),), 1e-3),
        "rollout": Stage("rollout", (Phase(rollout * 2 // 5, 2, WHOLE, 4), Phase(rollout // 20, 2, WHOLE, 4, "learns"),
                                     Phase(rollout * 7 // 20, 2, WHOLE, 4, "judges"),
                                     Phase(rollout // 5, 1, WHOLE, 8, "judges")), 6e-4),
    }


STREAMING: dict[str, dict[StageName, Stage]] = {
    "smoke": {"codec": Stage("codec", (Phase(4, 2, (96, 128), 2),), 1e-3),
              "flow": Stage("flow", (Phase(4, 2, (96, 128), 2),), 1e-3),
              "rollout": Stage("rollout", (Phase(2, 1, (96, 128), 2), Phase(2, 1, (96, 128), 2, "learns"),
                                           Phase(2, 1, (96, 128), 3, "judges")), 1e-3)},
    "short": _streaming(codec=200, flow=100, rollout=200),
    "tiny": _streaming(codec=2000, flow=300, rollout=40000),
}
"""Stages of the streaming model, by preset."""
