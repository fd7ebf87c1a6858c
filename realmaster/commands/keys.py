"""`realmaster keys`: CURVE key pairs."""

from __future__ import annotations

from bridge.keys import make_keys
from realmaster.config import Keys


def run(settings: Keys) -> int:
    """Makes a pair and says where each half goes."""
    public, secret = make_keys(settings.folder, settings.name)
    print(f"{secret}  keep it here (--key)")
    print(f"{public}  copy it to the other machine: into the server's --clients folder, or as --server-key")
    return 0
