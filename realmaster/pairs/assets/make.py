"""`realmaster pairs assets`: fetches every package, unpacks what is wanted of it, converts it into the pack."""

from __future__ import annotations

from pathlib import Path

from realmaster.pairs.assets import catalogue
from realmaster.pairs.assets.convert import Converter
from realmaster.pairs.assets.fetch import fetch, unpack
from realmaster.pairs.settings import PairsAssets
from realmaster.progress import Progress


def wanted(package: str) -> tuple[str, ...]:
    """What begins the names of a package's members that are used."""
    paths = [path for name, path, *_ in (*catalogue.SKIES.values(), *catalogue.SURFACES.values()) if name == package]
    whole = {"ez-tree": "package/", "three": "package/", "furniture": "usr/share/sweethome3d/"}
    return (*paths, whole[package]) if package in whole else tuple(paths)


def get_sources(folder: Path) -> Path:
    """Fetches and unpacks what is missing; the folder that has each package in a folder of its name."""
    downloads, sources = folder / "downloads", folder / "sources"
    downloads.mkdir(parents=True, exist_ok=True)
    for name, package in catalogue.PACKAGES.items():
        print(f"{package.name} {package.version}: {package.licence}", flush=True)
        path = fetch(package, catalogue.SHA256[name], downloads)
        if not (sources / name).exists():
            unpack(package, path, sources / name, wanted(name))
    return sources


def make_pack(settings: PairsAssets) -> None:
    """Makes the pack in `settings.assets`. Raises `UserError` if a package cannot be had or is another."""
    settings.assets.mkdir(parents=True, exist_ok=True, mode=0o700)
    converter = Converter(get_sources(settings.assets), settings.assets)
    steps = list(converter.steps())
    progress = Progress("pack", len(steps), "things")
    for name, step in steps:
        step()
        progress.step(note=name)
    progress.close()
    converter.finish()
    print(f"{settings.assets}: {len(converter.models)} models, {len(converter.surfaces)} surfaces, "
          f"{len(converter.environments)} skies; who made them is in CREDITS")
