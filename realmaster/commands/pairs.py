"""`realmaster pairs`: `assets`, `truth`, `draw`, `render`, `check` and `export`."""

from __future__ import annotations

from realmaster.errors import UserError
from realmaster.pairs.settings import PairsAssets, PairsCheck, PairsDraw, PairsExport, PairsRender, PairsTruth


def run(settings: PairsAssets | PairsTruth | PairsDraw | PairsRender | PairsCheck | PairsExport) -> int:
    """Dispatches; the heavy imports happen here."""
    try:
        return _run(settings)
    except ModuleNotFoundError as error:
        raise UserError(f"pairs need {error.name}: pip install -e '.[pairs]'") from error


def _run(settings: PairsAssets | PairsTruth | PairsDraw | PairsRender | PairsCheck | PairsExport) -> int:
    match settings:
        case PairsAssets():
            from realmaster.pairs.assets.make import make_pack

            make_pack(settings)
        case PairsTruth():
            from realmaster.pairs.adding import add_truth

            add_truth(settings)
        case PairsDraw():
            from realmaster.pairs.make import make_pairs
            from realmaster.pairs.makers.drawn import drawn_twins

            make_pairs(settings.out, drawn_twins(settings), settings.workers)
        case PairsRender():
            from realmaster.pairs.make import make_pairs
            from realmaster.pairs.makers.twins import twins

            make_pairs(settings.out, twins(settings), settings.workers)
        case PairsCheck():
            from realmaster.pairs.check import check

            return check(settings)
        case PairsExport():
            from realmaster.pairs.export import export

            export(settings)
    return 0
