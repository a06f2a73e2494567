"""An index on disk: files that never change and one manifest that names them.

    vectors-3f2a….npy  records-9c01….jsonl  search-77de….safetensors     named by their own sha256
    manifest.json                                                        names, sizes, hashes; and its own hash

New files are written beside the old ones; replacing `manifest.json` is the one step that makes them the index. A
crash before it leaves the old index, after it the new one; what is left over goes with the next change. There is no
pickle, and nothing that FAISS would parse.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from langlearn.errors import UserError
from langlearn.files.hashes import hash_with

FORMAT = 1
MANIFEST = "manifest.json"
REBUILD = "restore it from a copy, or build the index anew with run_query.py --rebuild true"
_OURS = re.compile(r"(vectors|records|search)-[0-9a-f]{12}\.\w+|[\w.-]+\.partial")


def read_manifest(folder: Path) -> dict | None:
    """The manifest, or None where there is no index. Raises UserError where it is damaged or of another format."""
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        manifest = json.loads(content)
        # Written again it must be the same bytes, so that not even a space can be edited.
        whole = _signed(manifest) == content
    except (ValueError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise UserError(f"index file {path} was edited or cut short:\n{REBUILD}")
    if manifest["format"] != FORMAT:
        raise UserError(
            f"index {folder} has format {manifest['format']}, not {FORMAT}:\n"
            "build it anew with run_query.py --rebuild true"
        )
    return manifest


def verified(folder: Path, manifest: dict) -> dict[str, Path]:
    """Where each file of the index is. Raises UserError for the first that is missing or not as the manifest says."""
    paths = {}
    for role, entry in manifest["files"].items():
        path = paths[role] = folder / entry["name"]
        if not path.is_file():
            raise UserError(f"index file {path} is missing:\n{REBUILD}")
        if path.stat().st_size != entry["bytes"] or hash_with(hashlib.sha256(), path) != entry["sha256"]:
            raise UserError(f"index file {path} was edited or cut short:\n{REBUILD}")
    return paths


def commit(folder: Path, manifest: dict, writers: dict[str, tuple[str, Callable[[BinaryIO], None]]]) -> None:
    """Make `manifest` and what the writers write the index: {role: (suffix, write)}. All of it, or nothing at all."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        files = {role: _write(folder, role, *writer) for role, writer in writers.items()}
        beside = folder / f"{MANIFEST}.partial"
        _durably(beside, lambda file: file.write(_signed({"format": FORMAT, **manifest, "files": files})))
        os.replace(beside, folder / MANIFEST)
    except BaseException:
        _sweep(folder)  # no space left: what was written so far only makes it worse
        raise
    _sync_folder(folder)
    _sweep(folder)


def _write(folder: Path, role: str, suffix: str, write: Callable[[BinaryIO], None]) -> dict:
    beside = folder / f"{role}.partial"
    _durably(beside, write)
    digest, size = hash_with(hashlib.sha256(), beside), beside.stat().st_size
    name = f"{role}-{digest[:12]}{suffix}"
    os.replace(beside, folder / name)
    return {"name": name, "bytes": size, "sha256": digest}


def _durably(path: Path, write: Callable[[BinaryIO], None]) -> None:
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _signed(manifest: dict) -> bytes:
    """The manifest's only spelling: its hash last, over everything before it."""
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(body, ensure_ascii=False).encode("utf-8")).hexdigest()
    return (json.dumps({**body, "sha256": digest}, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _sweep(folder: Path) -> None:
    """Remove our files that the manifest does not name.
    One that a reader still maps on Windows stays until next time."""
    with contextlib.suppress(OSError, UserError):
        manifest = read_manifest(folder)
        named = {entry["name"] for entry in manifest["files"].values()} if manifest else set()
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in named:
                with contextlib.suppress(OSError):
                    path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the system lets a folder be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
