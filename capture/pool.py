"""Memory for frames that is used again once nobody looks at it.

Fresh memory costs a page fault every 4 KiB, more than copying a frame into it does.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray


class SlabPool:
    """Hands out slabs of bytes. A slab is free again when no array is left that views it.

    There are as many slabs as frames were ever alive at once; who holds frames bounds their number.
    """

    def __init__(self) -> None:
        self._slabs: list[NDArray[np.uint8]] = []

    def take(self, size: int) -> NDArray[np.uint8]:
        """A slab of at least `size` bytes; slabs of another generation's size are let go."""
        self._slabs = [s for s in self._slabs if len(s) >= size]
        for i in range(len(self._slabs)):
            # One reference is the list's, one getrefcount's own argument; any more is a view's.
            if sys.getrefcount(self._slabs[i]) <= 2:
                return self._slabs[i]
        self._slabs.append(np.empty(size, np.uint8))
        return self._slabs[-1]
