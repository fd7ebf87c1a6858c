"""Exports torch modules to static ONNX graphs. Imports torch.

Weights are stored as fp16 and cast to fp32 when a session loads, which halves the files; where the weights were fp16
before, nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

OPSET = 20
SMALL = 1024
"""Tensors with fewer numbers stay fp32."""


class Graph(nn.Module):
    """A function over a module's weights, as the exporter wants it."""

    def __init__(self, module: nn.Module, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *inputs: Tensor) -> Tensor:
        """What `function` gives for `inputs`."""
        return self.function(*inputs)


def export_graph(graph: Graph, inputs: Mapping[str, Tensor], path: Path) -> None:
    """Writes `graph` to `path`. Its inputs are called as in `inputs` and have the shapes of those, its output `out`."""
    with torch.no_grad():
        program = torch.onnx.export(graph.eval(), tuple(inputs.values()), dynamo=True, opset_version=OPSET,
                                    input_names=list(inputs), output_names=["out"], verbose=False)
    assert program is not None
    program.save(str(path), external_data=False)
    _halve(path)


def _halve(path: Path) -> None:
    """Stores large fp32 initializers as fp16, each followed by a Cast that the runtime folds away."""
    model = onnx.load(path)
    graph, casts = model.graph, []
    for i, tensor in enumerate(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALL:
            continue
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}_fp16")
        casts.append(onnx.helper.make_node("Cast", [half.name], [tensor.name], to=onnx.TensorProto.FLOAT))
        graph.initializer[i].CopyFrom(half)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    _forget_origins(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _forget_origins(model: onnx.ModelProto) -> None:
    """Drops the exporter's notes of source files and lines: they are large, and name folders of the machine."""
    for owner in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                  *model.graph.output, *model.graph.initializer):
        del owner.metadata_props[:]
