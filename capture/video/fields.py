"""Deinterlaces pictures: in an interlaced picture, even and odd lines were taken at different times."""

from __future__ import annotations

from typing import Any

import av.error
import av.filter


class Weaver:
    """Makes one progressive picture from each interlaced one (FFmpeg's bwdif, which needs the next picture, too)."""

    def __init__(self, stream: Any) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(template=stream)
        bwdif, sink = self._graph.add("bwdif", "mode=send_frame:deint=interlaced"), self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def pictures(self, frames: list[Any], over: bool) -> list[Any]:
        """Takes `frames` and gives the pictures that are ready; all of them if `over`. Raises FFmpeg's errors."""
        for frame in frames:
            if frame.pts is None:
                frame.pts = frame.dts
            self._graph.vpush(frame)
        if over:
            self._graph.vpush(None)
        given: list[Any] = []
        while True:
            try:
                given.append(self._graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return given
