"""`realmaster recover`: mends a recording that was cut short."""

from __future__ import annotations

import sys

from capture.recording.recover import recover
from realmaster.config import Recover


def run(settings: Recover) -> int:
    """Exit status 0 if all frames are there, 3 if some are lost, 1 if none are left."""
    found = recover(settings.session, lambda file: print(f"checking {file}", file=sys.stderr))
    if not found.kept:
        print(f"nothing could be recovered from {found.path}: not one frame is complete ({found.missing} were begun); "
              "it is left as it was")
        return 1
    rebuilt = f"; the facts of {found.rebuilt} (camera, flags) had to be rebuilt" if found.rebuilt else ""
    print(f"{found.path}: {found.kept} frames are good, {found.missing} lost{rebuilt}; {found.photos} photoreal frames")
    if found.left is not None:
        print(f"the damaged original stays at {found.left}: remove it once you are content")
    return 3 if found.missing or found.rebuilt else 0
