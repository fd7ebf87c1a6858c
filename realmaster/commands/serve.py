"""`realmaster serve`: the model server."""

from __future__ import annotations

import signal

from bridge.server import BridgeServer
from realmaster.config import Serve
from realmaster.models.open import open_backend


def run(settings: Serve) -> int:
    """Serves until Ctrl-C or SIGTERM."""
    server = BridgeServer(settings.bind, lambda: open_backend(settings.model), settings.key, settings.clients)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: server.stop())
    print(f"serving {settings.model.model} on {server.address}", flush=True)
    server.run()
    refused = ", ".join(f"{n} {code}" for code, n in server.counters.refused.items()) or "none"
    print(f"stopped after {server.counters.windows} windows; refused messages: {refused}", flush=True)
    return 0
