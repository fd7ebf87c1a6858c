"""Reuses the memory of frames that nobody uses any more.

New memory costs a page fault for every 4 KiB, which takes longer than copying a frame into it.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray


class SlabPool:
    """Gives out slabs of bytes. A slab is free again when no array views it any more.

    The pool holds as many slabs as frames existed at the same time, so its users bound its size.
    """

    def __init__(self) -> None:
        self._slabs: list[NDArray[np.uint8]] = []

    def take(self, size: int) -> NDArray[np.uint8]:
        """A free slab of at least `size` bytes, (N,) u8. Smaller slabs are dropped from the pool."""
        self._slabs = [s for s in self._slabs if len(s) >= size]
        for i in range(len(self._slabs)):
            # One reference is the list's and one is getrefcount's argument. Further ones are views.
            if sys.getrefcount(self._slabs[i]) <= 2:
                return self._slabs[i]
        self._slabs.append(np.empty(size, np.uint8))
        return self._slabs[-1]
