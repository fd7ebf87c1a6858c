"""Cuts a stream of frames into overlapping windows.

A window holds `ModelSpec.length` frames and starts one stride after the window before it. The last `overlap` frames of
a window are therefore also the first of the next. A window never spans a reset, a gap or a change of size: there a
shorter window, which is later padded by repeating its last frame, ends the segment, and a new segment begins.
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
"""A frame's position in the stream: its segment, and its number in that segment."""


@dataclass(frozen=True)
class Cut:
    """The frames of one window: 1 to `ModelSpec.length` frames, from number `start` of `segment` on."""

    segment: int
    start: int
    frames: tuple[Frame, ...]
    images: tuple[NDArray[np.uint8], ...]
    """Each frame's scene at the model's size (see `boxed`), (height, width, 3) u8; with guides (2 height, width, 3)."""

    @property
    def places(self) -> list[Place]:
        """The place of each frame."""
        return [(self.segment, self.start + i) for i in range(len(self.frames))]


class Windower:
    """Collects frames and cuts them into windows for the model `spec`. Each frame is scaled once."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._segment, self._start = 0, 0
        self._frames: list[Frame] = []
        self._images: list[NDArray[np.uint8]] = []
        self._fresh = 0  # how many of `_frames` are in no window yet

    @property
    def waiting(self) -> int:
        """The number of frames held that are in no window yet."""
        return self._fresh

    @property
    def places(self) -> list[Place]:
        """The places of all frames held, including those that are in a window already."""
        return [(self._segment, self._start + i) for i in range(len(self._frames))]

    def push(self, frame: Frame) -> list[Cut]:
        """Adds the next frame.

        Args:
            frame: the frame. If it is a reset or has another size, it begins a new segment.

        Returns:
            The windows that are complete now, two at most.

        Raises:
            UserError: the model reads guides, and the frame has none.
        """
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
        """Restores the state of an earlier run.

        Args:
            segment: the segment of the next window.
            start: the number of its first frame in that segment.
            frames: the frames that it shares with the window before it.
        """
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
        """Ends the segment. Returns its last, shorter window if some frames are in no window yet, else nothing."""
        last = [self._cut()] if self._fresh else []
        self._frames, self._images, self._fresh, self._start = [], [], 0, 0
        self._segment += 1
        return last


def message(cut: Cut, spec: ModelSpec, sequence: int, *, continues: bool, trusted: bool,
            settings: RenderSettings) -> Window:
    """The header that is sent with the frames of `cut`.

    Args:
        cut: the frames of the window.
        spec: the model.
        sequence: the number of the window, counted over the run.
        continues: whether the window before it was sent just before and shares frames with it.
        trusted: whether no fault of the game's motion and depth is known.
        settings: the prompt and the other settings of the user.
    """
    return Window(sequence=sequence, segment=cut.segment, start=cut.start, valid=len(cut.frames),
                  continues=continues, length=spec.length, width=spec.width, height=spec.height, guides=spec.guides,
                  trusted=trusted, settings=settings)


def window_places(window: Window) -> list[Place]:
    """The place of each frame of a window that was sent, without padding."""
    return [(window.segment, window.start + i) for i in range(window.valid)]
