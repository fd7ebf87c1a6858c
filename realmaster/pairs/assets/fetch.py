"""Fetches packages with their own clients, checks their hashes, unpacks them: the only part that needs a network."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from realmaster.errors import UserError
from realmaster.pairs.assets.catalogue import Package

COMMANDS: dict[str, Callable[[Package], list[str]]] = {
    "apt": lambda p: ["apt-get", "download", f"{p.name}={p.version}"],
    "pip": lambda p: ["pip", "download", "--no-deps", "--dest", ".", f"{p.name}=={p.version}"],
    "npm": lambda p: ["npm", "pack", f"{p.name}@{p.version}"],
}
"""What each client is called with, in the folder where the file shall lie."""
OTHERWISE = {"apt": "it comes with Debian", "pip": "it comes with Python", "npm": "Debian: apt-get install npm nodejs"}

FETCH_SECONDS = 3600.0
END_SECONDS = 60.0
"""How long a package client, and a child whose output is at its end, may take."""


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(package: Package, sha256: str, downloads: Path) -> Path:
    """The package's file in `downloads`, fetched unless it is there. Raises `UserError`, also if its hash differs."""
    path = downloads / package.file
    if not path.exists():
        command = COMMANDS[package.client](package)
        part = downloads / f"{package.file}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            done = subprocess.run(command, cwd=part, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
        except FileNotFoundError as error:
            raise UserError(f"{command[0]} is needed to fetch {package.name} ({OTHERWISE[package.client]})") from error
        except subprocess.TimeoutExpired as error:
            raise UserError(f"`{' '.join(command)}` did not end within an hour: run it again") from error
        found = sorted(part.iterdir())
        if done.returncode or len(found) != 1:
            last = (done.stderr.strip().splitlines() or ["it brought no file"])[-1]
            raise UserError(f"`{' '.join(command)}` failed: {last}")
        found[0].replace(path)
        part.rmdir()
    if digest(path) != sha256:
        raise UserError(f"{path} is not the file that was tried ({package.name} {package.version}: its SHA-256 "
                        "differs): delete it and run this again")
    return path


def unpack(package: Package, path: Path, target: Path, wanted: tuple[str, ...]) -> None:
    """Unpacks the members of `path` whose names begin with one of `wanted` into `target`, all or nothing."""
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.startswith(wanted):
                    archive.extract(name, part)
    elif path.suffix == ".tgz":
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.startswith(wanted) and not member.isdir():
                    archive.extract(member, part, filter="data")
    else:
        stream = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE)
        assert stream.stdout is not None
        with tarfile.open(fileobj=stream.stdout, mode="r|") as archive:
            for member in archive:
                if member.name.removeprefix("./").startswith(wanted) and not member.isdir():
                    archive.extract(member, part, filter="data")
        if stream.wait(END_SECONDS):  # its output is at its end
            raise UserError(f"dpkg-deb cannot unpack {path}: delete it and run this again")
    part.replace(target)
