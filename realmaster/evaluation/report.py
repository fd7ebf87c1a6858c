"""The report page: tables, pictures and short videos in one folder that any browser opens."""

from __future__ import annotations

import html
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from realmaster.evaluation.table import HEADINGS, LEGEND, Scores, rows_as_text
from realmaster.pairs.dataset import Clip

Video = NDArray[np.uint8]
SCALE = 2
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.25rem .6rem;text-align:right;
border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}video,img{width:100%;display:block}
figure{margin:1.5rem 0}figcaption{color:#555}p.legend{color:#555;max-width:60rem}"""


def write_video(path: Path, frames: Video, fps: float, crf: int = 16) -> None:
    """H.264 that browsers play, (T, H, W, 3) u8, each pixel `SCALE` wide; a higher `crf` is smaller and coarser."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2] * SCALE, frames.shape[1] * SCALE, "yuv420p"
        for picture in frames:
            large = cv2.resize(picture, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(large, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))


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

    def add(self, clip: Clip, columns: dict[str, Video]) -> None:
        """A clip as game, ours and truth side by side: a video, and a picture of its middle frame."""
        joined = np.concatenate(list(columns.values()), 2)
        write_video(self.folder / f"{clip.name}.mp4", joined, self.fps)
        cv2.imwrite(str(self.folder / f"{clip.name}.jpg"), joined[len(joined) // 2][..., ::-1],
                    [cv2.IMWRITE_JPEG_QUALITY, 92])
        what = html.escape(f"{clip.name}: {clip.caption}. Left to right: {', '.join(columns)}.")
        self._figures.append(f'<figure><video src="{clip.name}.mp4" poster="{clip.name}.jpg" controls loop muted '
                             f'preload="none"></video><figcaption>{what}</figcaption></figure>')

    def write(self, rows: dict[str, Scores], notes: list[str]) -> Path:
        """The page; returns its path."""
        assert set(HEADINGS) == set(Scores.__dataclass_fields__)
        page = (f"<!doctype html><html lang=en><meta charset=utf-8><title>RealMaster: held-out worlds</title>"
                f"<style>{_STYLE}</style><h1>Held-out worlds</h1>{_table(rows)}"
                f"<p class=legend>{html.escape(LEGEND)}</p>"
                + "".join(f"<p>{html.escape(note)}</p>" for note in notes) + "".join(self._figures) + "</html>\n")
        (self.folder / "index.html").write_text(page)
        return self.folder / "index.html"
