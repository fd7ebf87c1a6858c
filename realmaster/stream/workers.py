"""Renders windows on several GPUs: a link that sends windows to Ray workers and returns the chunks in order."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.contract import ModelSpec, Pixels, Window, padded
from bridge.conversation import Arrived, Event, Ready
from realmaster.config import Model
from realmaster.errors import UserError
from realmaster.models.open import open_backend
from realmaster.stream.link import chunk_of

RESTARTS = 3
"""How often a worker that died is started again with its window. After that the render fails."""


class _Worker:
    """A backend in a process of its own. It renders each window alone: no state passes from window to window."""

    def __init__(self, settings: Model) -> None:
        self.backend = open_backend(settings)

    def spec(self) -> ModelSpec:
        """What its model takes and gives."""
        return self.backend.spec

    def render(self, window: Window, frames: Sequence[Pixels]) -> tuple[list[Pixels], dict[str, float]]:
        """Renders a window. Returns its valid frames, (height, width, 3) u8 each, and milliseconds by stage."""
        done = self.backend.render(window, padded(frames, window.length), None)
        return list(done.frames[:window.valid]), done.stage_ms


class RayLink:
    """A `Link` to workers of Ray. It holds one window for each worker, and as many chunks that wait for their turn.

    It joins the cluster that the environment variable RAY_ADDRESS names. Without that it starts a cluster of its own,
    which nobody else can reach.

    Args:
        settings: the model that each worker opens.
        workers: the number of workers.

    Raises:
        UserError: Ray is missing, the model does not open, or its windows depend on each other.
    """

    busy_seconds, queued = 0.0, 0

    def __init__(self, settings: Model, workers: int) -> None:
        if settings.anchor is not None or settings.streaming_vae:
            flag = "anchor" if settings.anchor is not None else "streaming-vae"
            raise UserError(f"--{flag} makes each window go on from the last: leave --workers out")
        self._private = None if os.environ.get("RAY_ADDRESS") else Path(tempfile.mkdtemp(prefix="rm-"))
        self._ray = _ray(self._private)
        ours = {} if self._private is None else {"_node_ip_address": "127.0.0.1", "_temp_dir": str(self._private / "r")}
        self._ray.init(include_dashboard=False, log_to_driver=False, **ours)
        gpus = int(self._ray.cluster_resources().get("GPU", 0) >= workers)
        start = self._ray.remote(_Worker).options(num_cpus=0, num_gpus=gpus, max_restarts=RESTARTS,
                                                  max_task_retries=RESTARTS)
        self._free = deque(start.remote(settings) for _ in range(workers))
        self._limit = 2 * workers
        self._jobs: deque[tuple[Window, Any]] = deque()
        self._working: dict[Any, Any] = {}  # the worker that computes each promise
        spec: ModelSpec = self._get(self._free[0].spec.remote())
        self._greeting: deque[Event] = deque([Ready(spec, workers)])

    @property
    def ready(self) -> bool:
        """See `Link.ready`."""
        return not self._greeting and bool(self._free) and len(self._jobs) < self._limit

    @property
    def in_flight(self) -> int:
        """See `Link.in_flight`."""
        return len(self._jobs)

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """See `Link.send`."""
        worker = self._free.popleft()
        promise = worker.render.remote(window, list(frames))
        self._working[promise] = worker
        self._jobs.append((window, promise))

    def poll(self, timeout: float) -> Event | None:
        """See `Link.poll`. Returns the chunk of the oldest window, once it is rendered."""
        if self._greeting:
            return self._greeting.popleft()
        done, _ = self._ray.wait(list(self._working), num_returns=1, timeout=timeout) if self._working else ([], [])
        for promise in done:
            self._free.append(self._working.pop(promise))
        if not self._jobs or self._jobs[0][1] in self._working:
            return None
        window, promise = self._jobs.popleft()
        frames, stage_ms = self._get(promise)
        return Arrived(chunk_of(window, stage_ms), frames)

    @property
    def carry(self) -> dict[str, NDArray[np.float32]]:
        """See `Resumable.carry`. Empty: no state passes from window to window."""
        return {}

    def resume(self, segment: int, start: int, carry: dict[str, NDArray[np.float32]]) -> None:
        """See `Resumable.resume`. Does nothing: any window can come next."""

    def close(self) -> None:
        """See `Link.close`."""
        self._ray.shutdown()
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)  # Ray's own processes may still be writing their logs

    def _get(self, promise: Any) -> Any:
        try:
            return self._ray.get(promise)
        except self._ray.exceptions.RayError as error:
            raise UserError(f"a worker failed: {str(error.__cause__ or error).splitlines()[-1]}") from error


def _ray(private: Path | None) -> Any:
    """Imports Ray. Raises `UserError` if it is not installed.

    Ray reads its environment while it is imported. For a cluster of our own this sets two things. Ray listens on
    loopback only: RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0, which is the default on Windows and macOS only. And Ray refuses
    everybody who does not have the token.

    Args:
        private: the folder, mode 0700, for the token of our own cluster; None to join another cluster.
    """
    if private is not None:
        token = private / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token",
                       "RAY_AUTH_TOKEN_PATH": str(token)}
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("--workers needs Ray: pip install -e '.[workers]'") from error
    return ray
