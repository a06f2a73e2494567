"""sha256 of files, read once: the digest of a large file is kept until its size or time of change does.

The digests live in the user's cache (`~/.cache/lang-learn/hashes.json`); losing that file costs a second reading.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

LARGE = 16 << 20  # below, reading again is as quick as looking up
CHUNK = 1 << 20
Progress = Callable[[int], None]


def file_hash(path: Path, progress: Progress | None = None) -> str:
    """sha256 of the file's content, in hex. `progress(bytes)` after each chunk that was read."""
    path = Path(path).resolve()
    stamp = _stamp(path)
    known = _read_known() if stamp[0] >= LARGE else {}
    if known.get(str(path), [])[:2] == stamp:
        if progress:
            progress(stamp[0])
        return known[str(path)][2]
    digest = hash_with(hashlib.sha256(), path, progress)
    if stamp[0] >= LARGE:
        remember(path, digest)
    return digest


def hash_with(digest, path: Path, progress: Progress | None = None) -> str:
    """The file's content through any hashlib object, in hex."""
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if progress:
                progress(len(chunk))
    return digest.hexdigest()


def combined(folder: Path, files: Sequence[Path], progress: Progress | None = None) -> str:
    """One sha256 over the names below `folder` and the contents of `files`; a single file keeps its own."""
    if len(files) == 1:
        return file_hash(files[0], progress)
    whole = hashlib.sha256()
    for name, path in sorted((file.relative_to(folder).as_posix(), file) for file in files):
        whole.update(f"{name}\0{file_hash(path, progress)}\n".encode())
    return whole.hexdigest()


def remember(path: Path, digest: str) -> None:
    """Keep a digest that was just computed. A cache that cannot be written is no reason to stop."""
    path = Path(path).resolve()
    known = {name: entry for name, entry in _read_known().items() if os.path.exists(name)}
    known[str(path)] = [*_stamp(path), digest]
    with contextlib.suppress(OSError):
        _cache_file().parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=_cache_file().parent, suffix=".partial")
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1)
        os.replace(beside, _cache_file())


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _cache_file() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    return Path(base).expanduser() / "lang-learn" / "hashes.json"


def _read_known() -> dict[str, list]:
    try:
        known = json.loads(_cache_file().read_text(encoding="utf-8"))
        return {name: entry for name, entry in known.items() if len(entry) == 3}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
