"""`realmaster pairs`, `train` and `export`: from scenes to graphs. The heavy imports happen here."""

from __future__ import annotations

from realmaster.config import Export, Pairs, Train
from realmaster.errors import UserError


def run(settings: Pairs | Train | Export) -> int:
    """Dispatches to the step that the settings belong to."""
    try:
        match settings:
            case Pairs():
                from realmaster.pairs.render import render_pairs

                render_pairs(settings)
            case Train():
                _train(settings)
            case Export():
                from trt_engines.export import export_tiny

                export_tiny(settings.checkpoint, settings.checkpoint / "onnx", settings.width, settings.height,
                            settings.length)
    except ModuleNotFoundError as error:
        extra = "pairs" if isinstance(settings, Pairs) else "train"
        raise UserError(f"this needs {error.name}: pip install -e '.[{extra}]'") from error
    return 0


def _train(settings: Train) -> None:
    from realmaster.training.transformer import train_base, train_decoder, train_lora
    from realmaster.training.vae import train_vae

    match settings.part:
        case "vae":
            train_vae(settings.pairs, settings.checkpoint / "vae", settings.minutes, seed=settings.seed)
        case "base":
            train_base(settings.pairs, settings.checkpoint, settings.minutes, seed=settings.seed)
        case "lora":
            train_lora(settings.pairs, settings.checkpoint, settings.minutes, settings.crop, settings.seed)
        case "decoder":
            train_decoder(settings.pairs, settings.checkpoint, settings.minutes, seed=settings.seed)
