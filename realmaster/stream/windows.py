"""Cuts a stream of frames into overlapping windows.

A window holds `ModelSpec.length` frames and starts one stride after the one before it, so the last
`overlap` frames of each come again in the next. A window never spans a reset, a gap or a change of
size: there the frames so far are padded out (the last one repeated) and a new segment begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.contract import ModelSpec, RenderSettings, Window
from capture.frame import Flags, Frame
from realmaster.guides.interface import scene_of
from realmaster.guides.packing import guides_of
from realmaster.guides.pictures import boxed

Place = tuple[int, int]
"""Where a frame stands in the stream: its segment, and its number in it."""


@dataclass(frozen=True)
class Cut:
    """Frames for one window: `frames` has 1 to `length` of them, at `start` of `segment`."""

    segment: int
    start: int
    frames: tuple[Frame, ...]
    images: tuple[NDArray[np.uint8], ...]
    """Each frame's scene in the model's size, `boxed`, (height, width, 3); with guides (2 height, width, 3)."""

    @property
    def places(self) -> list[Place]:
        """The place of each frame."""
        return [(self.segment, self.start + i) for i in range(len(self.frames))]


class Windower:
    """Feeds on frames with `push`, and gives what is left with `flush`. Each frame is scaled once."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._segment, self._start = 0, 0
        self._frames: list[Frame] = []
        self._images: list[NDArray[np.uint8]] = []
        self._fresh = 0  # frames of `_frames` that no window has had yet

    @property
    def waiting(self) -> int:
        """Frames held that no window has had yet."""
        return self._fresh

    @property
    def places(self) -> list[Place]:
        """Places of all frames held, those that a window had already too."""
        return [(self._segment, self._start + i) for i in range(len(self._frames))]

    def push(self, frame: Frame) -> list[Cut]:
        """Takes the next frame; returns the windows that it completes (two at a cut, at most)."""
        done: list[Cut] = []
        if self._frames and (frame.flags & Flags.RESET or frame.size != self._frames[0].size):
            done += self.flush()
        self._frames.append(frame)
        self._images.append(self._image(frame))
        self._fresh += 1
        if len(self._frames) == self.spec.length:
            done.append(self._cut())
            stride = self.spec.stride
            self._frames, self._images = self._frames[stride:], self._images[stride:]
            self._start += stride
            self._fresh = 0
        return done

    def resume(self, segment: int, start: int, frames: Sequence[Frame]) -> None:
        """Stands as if the window before the one at `start` had just been cut; `frames` are those they share."""
        self._segment, self._start, self._fresh = segment, start, 0
        self._frames, self._images = list(frames), [self._image(f) for f in frames]

    def _image(self, frame: Frame) -> NDArray[np.uint8]:
        spec = self.spec
        room = spec.width, spec.height
        small = boxed(scene_of(frame), room)
        picture = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGBA2RGB), np.uint8)
        return np.concatenate([picture, boxed(guides_of(frame), room)]) if spec.guides else picture

    def _cut(self) -> Cut:
        return Cut(self._segment, self._start, tuple(self._frames), tuple(self._images))

    def flush(self) -> list[Cut]:
        """Ends the segment; returns its last, shorter window if frames are left that none has had."""
        last = [self._cut()] if self._fresh else []
        self._frames, self._images, self._fresh, self._start = [], [], 0, 0
        self._segment += 1
        return last


def message(cut: Cut, spec: ModelSpec, sequence: int, *, continues: bool, trusted: bool,
            settings: RenderSettings) -> Window:
    """The wire's header for `cut`."""
    return Window(sequence=sequence, segment=cut.segment, start=cut.start, valid=len(cut.frames),
                  continues=continues, length=spec.length, width=spec.width, height=spec.height, guides=spec.guides,
                  trusted=trusted, settings=settings)


def window_places(window: Window) -> list[Place]:
    """The place of each real frame of a window that was sent."""
    return [(window.segment, window.start + i) for i in range(window.valid)]
