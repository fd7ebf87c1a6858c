"""The report page: tables, pictures and short videos in one folder that any browser opens."""

from __future__ import annotations

import html
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.video.encode import write_clip
from realmaster.evaluation.table import HEADINGS, LEGEND, Scores, rows_as_text
from realmaster.pairs.dataset import Clip

Video = NDArray[np.uint8]
SCALE = 2
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.25rem .6rem;text-align:right;
border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}video,img{width:100%;display:block}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dd{margin:0}
figure{margin:1.5rem 0}figcaption{color:#555}p.legend{color:#555;max-width:60rem}"""


def _table(rows: dict[str, Scores]) -> str:
    lines = [line.split("|")[1:-1] for line in rows_as_text(rows, markdown=True).splitlines()]
    head, *body = [line for i, line in enumerate(lines) if i != 1]
    cells = ["".join(f"<td>{html.escape(c.strip())}</td>" for c in line) for line in body]
    return (f"<table><tr>{''.join(f'<th>{html.escape(c.strip())}</th>' for c in head)}</tr>"
            + "".join(f"<tr>{c}</tr>" for c in cells) + "</table>")


class Report:
    """Collects a section for each clip; `write` makes the page."""

    def __init__(self, folder: Path, fps: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.fps = folder, fps
        self._figures: list[str] = []

    def add(self, clip: Clip, columns: dict[str, Video], rows: dict[str, Scores]) -> None:
        """A clip as game, ours and truth side by side: a video, a picture of its middle frame, and its own figures."""
        joined = np.concatenate(list(columns.values()), 2)
        write_clip(self.folder / f"{clip.name}.mp4", joined, self.fps, {"crf": "16"}, SCALE)
        cv2.imwrite(str(self.folder / f"{clip.name}.jpg"), joined[len(joined) // 2][..., ::-1],
                    [cv2.IMWRITE_JPEG_QUALITY, 92])
        what = html.escape(f"{clip.name}: {clip.caption}. Left to right: {', '.join(columns)}.")
        self._figures.append(f'<figure><video src="{clip.name}.mp4" poster="{clip.name}.jpg" controls loop muted '
                             f'preload="none"></video><figcaption>{what}</figcaption><details><summary>Figures of this '
                             f"clip</summary>{_table(rows)}</details></figure>")

    def write(self, rows: dict[str, Scores], notes: list[str], facts: dict[str, str]) -> Path:
        """The page, with `facts` on how it was made; returns its path."""
        assert set(HEADINGS) == set(Scores.__dataclass_fields__)
        made = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
        page = (f"<!doctype html><html lang=en><meta charset=utf-8><title>RealMaster: held-out worlds</title>"
                f"<style>{_STYLE}</style><h1>Held-out worlds</h1><dl>{made}</dl>{_table(rows)}"
                f"<p class=legend>{html.escape(LEGEND)}</p>"
                + "".join(f"<p>{html.escape(note)}</p>" for note in notes) + "".join(self._figures) + "</html>\n")
        (self.folder / "index.html").write_text(page)
        return self.folder / "index.html"


def facts_of(model: str, data: Path) -> dict[str, str]:
    """What a figure depends on: the model, the data, the command, the machine, the day."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("realmaster", "numpy", "onnxruntime"))
    return {"model": model, "data": str(data), "command": shlex.join(["realmaster", *sys.argv[1:]]),
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python "
                       f"{platform.python_version()}, {packages}"}


def processor() -> str:
    """The processor's name, as Linux knows it, or its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
