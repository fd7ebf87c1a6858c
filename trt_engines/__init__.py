"""From weights to graphs and plans: ONNX export, manifests, runtimes."""
