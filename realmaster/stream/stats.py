"""What the session counts, and the status that the page and the log show.

The session's thread writes; others may read at any time, so they take copies of what grows before they walk over it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field

import numpy as np

from bridge.contract import Chunk
from capture.recording.recorder import RecorderStatus
from realmaster.stream.rate import Rate

HISTORY = 4096
MAX_STAGES = 16
"""Stages whose times are kept; a server that names more is not listened to."""


@dataclass
class Stats:
    """Counts of one session. `dropped` is by cause, in frames; nothing is lost without a count."""

    read: int = 0
    shown: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    server: str = "connecting"
    """One sentence on the server; empty when all is well."""
    source: str = ""
    """The same on the game."""
    child: str = ""
    """The same on a child of ours that gives nothing: it says more than the other side of a connection can know."""
    left_out: str = ""
    """Why the newest frame is not shown; empty if it is."""
    model: str = ""
    prompts: bool = False
    """Whether the model reads a prompt."""
    guides: str = ""
    """What is wrong with the game's motion or depth; empty if nothing is known to be."""
    troubles: tuple[str, ...] = ()
    """What is wrong with parts of RealMaster itself, a sentence each: threads that failed, sinks that hang."""
    behind: float = 0.0
    """Seconds from capture to display of the last frame."""
    captured: float = 0.0
    """When the last photoreal frame shown was captured, in seconds of the monotonic clock; 0 before the first."""
    seam: float | None = None
    period_ms: float = 0.0
    """How often the server could render a window."""
    stage_ms: dict[str, float] = field(default_factory=dict[str, float])
    recording: RecorderStatus | None = None
    history: dict[str, deque[float]] = field(default_factory=dict[str, "deque[float]"])
    """The last `HISTORY` values of each stage in ms, and of `behind`, for the percentiles."""
    rate_in: Rate = field(default_factory=Rate)
    rate_out: Rate = field(default_factory=Rate)

    def arrived(self, chunk: Chunk) -> None:
        """Folds a chunk's times into the running averages."""
        self.period_ms = 0.8 * (self.period_ms or chunk.period_ms) + 0.2 * chunk.period_ms
        for name, ms in chunk.stage_ms.items():
            if name in self.stage_ms or len(self.stage_ms) < MAX_STAGES:
                self.stage_ms[name] = 0.8 * self.stage_ms.get(name, ms) + 0.2 * ms
                self.remember(name, ms)

    def drop(self, cause: str, count: int) -> None:
        """Counts lost frames."""
        if count:
            self.dropped[cause] += count

    def leave_out(self, error: Exception) -> None:
        """Counts a frame that cannot be used, and says why."""
        self.drop("bad frame", 1)
        self.left_out = f"a frame was left out: {error}"

    def remember(self, name: str, value: float) -> None:
        """Keeps a value for the percentiles."""
        self.history.setdefault(name, deque(maxlen=HISTORY)).append(value)

    def quantiles(self) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 of each stage in ms and of `behind` in ms."""
        return {name: dict(zip(("p50", "p95", "p99"), (float(q) for q in np.percentile(list(values), (50, 95, 99))),
                               strict=True)) for name, values in dict(self.history).items()}

    def percentiles(self) -> list[str]:
        """The same as lines for people."""
        return [f"{name}: " + "  ".join(f"{q} {ms:.0f} ms" for q, ms in row.items())
                for name, row in self.quantiles().items()]

    def snapshot(self, now: float) -> dict[str, object]:
        """Plain data for the page and the log."""
        return {"fps_in": round(self.rate_in.value(now), 1), "fps_out": round(self.rate_out.value(now), 1),
                "behind": round(self.behind, 2), "dropped": dict(self.dropped), "read": self.read,
                "shown": self.shown, "server": self.server, "source": self.child or self.source or self.left_out,
                "model": self.model,
                "prompts": self.prompts, "guides": self.guides, "troubles": list(self.troubles),
                "seam": None if self.seam is None else round(self.seam, 2),
                "stage_ms": {k: round(v, 1) for k, v in dict(self.stage_ms).items()},
                "recording": asdict(self.recording) if self.recording else None}

    def line(self, now: float) -> str:
        """The status in one line."""
        wrong = "".join(f" | {trouble}" for trouble in self.troubles)
        if trouble := self.child or self.source or self.left_out or self.server:
            return trouble + self._recorded() + wrong
        dropped = ", ".join(f"{n} {cause}" for cause, n in sorted(dict(self.dropped).items())) or "0"
        stages = "  ".join(f"{k} {v:.0f}" for k, v in dict(self.stage_ms).items())
        return (f"in {self.rate_in.value(now):.1f} fps -> {self.model} {self.rate_out.value(now):.1f} fps | "
                f"{self.behind:.2f} s behind the game | dropped: {dropped} | ms: {stages}{self._recorded()}"
                + (f" | {self.guides}" if self.guides else "") + wrong)

    def _recorded(self) -> str:
        r = self.recording
        if r is None:
            return ""
        if r.error:
            return f" | {r.error}"
        if r.trouble:
            return f" | {r.trouble} ({r.lost} lost)"
        return (f" | recording {r.seconds:.0f} s, {r.bytes / 1e6:.0f} MB, {r.lost} lost, "
                f"{r.free_bytes / 1e9:.1f} GB free" if r.path else "")
