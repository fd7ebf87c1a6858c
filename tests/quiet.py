"""A child that says one thing and then takes its time."""

from __future__ import annotations

import sys
import threading

print(*sys.argv[1:], flush=True)
threading.Event().wait(60)
