"""What the session counts, and the status that the page and the log show."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

RATE_SECONDS = 3.0


class Rate:
    """Events a second over the last `RATE_SECONDS`; times are handed in."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1024)

    def add(self, now: float) -> None:
        """One event at `now`."""
        self._times.append(now)

    def value(self, now: float) -> float:
        """Events a second up to `now`."""
        while self._times and self._times[0] < now - RATE_SECONDS:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)


@dataclass
class Stats:
    """Counts of one session. `dropped` is by cause, in frames; nothing is lost without a count."""

    read: int = 0
    shown: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    server: str = "connecting"
    """One sentence on the server; empty when all is well."""
    model: str = ""
    behind: float = 0.0
    """Seconds from capture to display of the last frame."""
    seam: float | None = None
    stage_ms: dict[str, float] = field(default_factory=dict[str, float])
    rate_in: Rate = field(default_factory=Rate)
    rate_out: Rate = field(default_factory=Rate)

    def stages(self, latest: dict[str, float]) -> None:
        """Folds a chunk's stage times into the running averages."""
        for name, ms in latest.items():
            self.stage_ms[name] = 0.8 * self.stage_ms.get(name, ms) + 0.2 * ms

    def snapshot(self, now: float) -> dict[str, object]:
        """Plain data for the page and the log."""
        return {"fps_in": round(self.rate_in.value(now), 1), "fps_out": round(self.rate_out.value(now), 1),
                "behind": round(self.behind, 2), "dropped": dict(self.dropped), "read": self.read,
                "shown": self.shown, "server": self.server, "model": self.model,
                "seam": None if self.seam is None else round(self.seam, 2),
                "stage_ms": {k: round(v, 1) for k, v in self.stage_ms.items()}}

    def line(self, now: float) -> str:
        """The status in one line."""
        if self.server:
            return self.server
        dropped = ", ".join(f"{n} {cause}" for cause, n in sorted(self.dropped.items())) or "0"
        stages = "  ".join(f"{k} {v:.0f}" for k, v in self.stage_ms.items())
        return (f"in {self.rate_in.value(now):.1f} fps -> {self.model} {self.rate_out.value(now):.1f} fps | "
                f"{self.behind:.2f} s behind the game | dropped: {dropped} | ms: {stages}")
