"""RealMaster: lifts a running game into photoreal video."""

import os

__version__ = "0.1.0"

QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1",
         "RAY_USAGE_STATS_ENABLED": "0"}
"""What keeps the libraries that we use from reporting to their makers, which is their default: ONNX Runtime, the
libraries of Hugging Face, Ray. They read it when they are loaded, and our children inherit it."""
for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)
