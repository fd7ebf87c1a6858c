"""`realmaster pairs render`, `check` and `export`."""

from __future__ import annotations

from realmaster.errors import UserError
from realmaster.pairs.settings import PairsCheck, PairsExport, PairsRender


def run(settings: PairsRender | PairsCheck | PairsExport) -> int:
    """Dispatches; the heavy imports happen here."""
    match settings:
        case PairsRender():
            try:
                from realmaster.pairs.render import render_pairs
            except ModuleNotFoundError as error:
                raise UserError(f"rendering pairs needs {error.name}: pip install -e '.[pairs]'") from error
            render_pairs(settings)
        case PairsCheck():
            from realmaster.pairs.check import check

            return check(settings)
        case PairsExport():
            from realmaster.pairs.export import export

            export(settings)
    return 0
