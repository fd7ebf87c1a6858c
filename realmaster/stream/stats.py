"""The counts of a session, and the status that the page and the log show.

The session's thread writes the counts, and other threads may read them at any time. A reader therefore copies a
collection before it iterates over it.
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
"""The number of stages whose times are kept. Further stages that a server names are ignored."""


@dataclass
class Stats:
    """The counts of one session, in frames. `dropped` counts every lost frame by its cause."""

    read: int = 0
    shown: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    server: str = "connecting"
    """One sentence on what is wrong with the server; empty if nothing is."""
    source: str = ""
    """One sentence on what is wrong with the game; empty if nothing is."""
    child: str = ""
    """The same for a child process that gives nothing yet. It knows more than `source`, so it is shown first."""
    left_out: str = ""
    """Why the newest frame was left out; empty if it was not."""
    model: str = ""
    prompts: bool = False
    """Whether the model reads a prompt."""
    guides: str = ""
    """What is wrong with the game's motion or depth; empty if no fault is known."""
    troubles: tuple[str, ...] = ()
    """One sentence for each fault of RealMaster itself: threads that failed and sinks that hang."""
    behind: float = 0.0
    """Seconds from capture to display of the last frame."""
    captured: float = 0.0
    """When the last photoreal frame shown was captured, in seconds of the monotonic clock; 0 until there is one."""
    seam: float | None = None
    """See `Stitcher.seam`."""
    period_ms: float = 0.0
    """Milliseconds that the server needs from one window to the next; a running average."""
    stage_ms: dict[str, float] = field(default_factory=dict[str, float])
    recording: RecorderStatus | None = None
    history: dict[str, deque[float]] = field(default_factory=dict[str, "deque[float]"])
    """The last `HISTORY` values in ms of each stage and of `behind`, for the percentiles."""
    rate_in: Rate = field(default_factory=Rate)
    rate_out: Rate = field(default_factory=Rate)

    def arrived(self, chunk: Chunk) -> None:
        """Adds a chunk's times to the running averages."""
        self.period_ms = 0.8 * (self.period_ms or chunk.period_ms) + 0.2 * chunk.period_ms
        for name, ms in chunk.stage_ms.items():
            if name in self.stage_ms or len(self.stage_ms) < MAX_STAGES:
                self.stage_ms[name] = 0.8 * self.stage_ms.get(name, ms) + 0.2 * ms
                self.remember(name, ms)

    def drop(self, cause: str, count: int) -> None:
        """Counts `count` frames as lost to `cause`."""
        if count:
            self.dropped[cause] += count

    def leave_out(self, error: Exception) -> None:
        """Counts one frame that cannot be used, and keeps `error` as the reason."""
        self.drop("bad frame", 1)
        self.left_out = f"a frame was left out: {error}"

    def remember(self, name: str, value: float) -> None:
        """Keeps a value in ms for the percentiles of `name`."""
        self.history.setdefault(name, deque(maxlen=HISTORY)).append(value)

    def quantiles(self) -> dict[str, dict[str, float]]:
        """The percentiles p50, p95 and p99 in ms, of each stage and of `behind`."""
        return {name: dict(zip(("p50", "p95", "p99"), (float(q) for q in np.percentile(list(values), (50, 95, 99))),
                               strict=True)) for name, values in dict(self.history).items()}

    def percentiles(self) -> list[str]:
        """The percentiles as text, one line for each stage."""
        return [f"{name}: " + "  ".join(f"{q} {ms:.0f} ms" for q, ms in row.items())
                for name, row in self.quantiles().items()]

    def snapshot(self, now: float) -> dict[str, object]:
        """The status as plain data for the page and the log. `now` is in seconds of the monotonic clock."""
        return {"fps_in": round(self.rate_in.value(now), 1), "fps_out": round(self.rate_out.value(now), 1),
                "behind": round(self.behind, 2), "dropped": dict(self.dropped), "read": self.read,
                "shown": self.shown, "server": self.server, "source": self.child or self.source or self.left_out,
                "model": self.model,
                "prompts": self.prompts, "guides": self.guides, "troubles": list(self.troubles),
                "seam": None if self.seam is None else round(self.seam, 2),
                "stage_ms": {k: round(v, 1) for k, v in dict(self.stage_ms).items()},
                "recording": asdict(self.recording) if self.recording else None}

    def line(self, now: float) -> str:
        """The status as one line of text. `now` is in seconds of the monotonic clock."""
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
