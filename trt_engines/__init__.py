"""From weights to graphs and plans: ONNX export, manifests, runtimes."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""Read when ONNX Runtime is loaded, by us and by our children. Its own default is to report to its makers."""
