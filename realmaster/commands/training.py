"""`realmaster train` and `export`. The heavy imports happen here."""

from __future__ import annotations

import logging

from realmaster.errors import UserError
from realmaster.training.settings import Export, Train


def run(settings: Train | Export) -> int:
    """Dispatches to the step that the settings belong to."""
    for chatty in ("onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        match settings:
            case Train():
                from realmaster.training.run import train

                train(settings)
            case Export():
                from realmaster.models.tiny.export import export_tiny

                export_tiny(settings.checkpoint, settings.checkpoint / "onnx", settings.width, settings.height,
                            settings.length)
    except ModuleNotFoundError as error:
        raise UserError(f"this needs {error.name}: pip install -e '.[train]'") from error
    return 0
