"""The only file that uses the network: it fetches from the hub into the hub's own cache, and resumes to the byte.

huggingface_hub 2 throws a half-loaded file away when its process ends, so the bytes are fetched here, into the layout
that it documents and reads:

    models--owner--name/blobs/ETAG.partial      while it loads; the next run goes on from its last byte
    models--owner--name/blobs/ETAG              once it is whole: the name is the hash of the content, and was checked
    models--owner--name/snapshots/COMMIT/FILE   a link to the blob
    models--owner--name/refs/main               the commit; written last
"""

import fnmatch
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import HfApi, constants, get_session, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from langlearn.assets import Asset
from langlearn.errors import UserError, first_line
from langlearn.files import hashes
from langlearn.files.model_files import TOKENIZER_FILES, WEIGHTS_INDEX, refuse_remote_code, shown

PATTERNS = {
    "base model": (*TOKENIZER_FILES, "config.json", "generation_config.json", "LICENSE*", "README.md"),
    "embedder": (*TOKENIZER_FILES, "*.json", "LICENSE*", "README.md", "[0-9]_*/*.json", "[0-9]_*/vocab.txt"),
    "cases": ("*.csv", "*.jsonl", "*.parquet", "LICENSE*", "README.md"),
}
WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", WEIGHTS_INDEX, "[0-9]_*/model.safetensors")
TRIES = 5  # in a row without a new byte
PAUSE = 1.0  # seconds, after a try that brought nothing
PASSING = (408, 429, 500, 502, 503, 504)  # answers that may be better a moment later
constants.HF_HUB_DISABLE_TELEMETRY = True  # the library would also look up and report what it is run by


class Unreachable(UserError):
    """There is no network, or the hub does not answer."""


def fetch(asset: Asset, weights: bool = True) -> Path:
    """Make `asset` whole on this machine; returns where it is. What arrived before an error stays and counts.

    Raises Unreachable without a network, else UserError: no such repository, licence, only pickled weights, disk full.
    """
    with _explained(asset):
        commit, files = _listing(asset, weights)
        storage = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=asset.hub_id, repo_type=asset.repo_type)
        snapshot = storage / "snapshots" / commit
        with _alone(storage, asset), _progress() as progress:
            files = [file for file in files if not _is_whole(snapshot / file.rfilename, file)]
            _make_room(storage / "blobs", files)
            for file in sorted(files, key=lambda file: (_is_weight(file), file.rfilename)):
                if _is_weight(file):
                    refuse_remote_code(snapshot)  # before gigabytes are fetched for nothing
                blob = storage / "blobs" / _etag(file)
                if not _is_whole(blob, file):
                    _fetch_blob(asset, commit, file, blob, progress)
                _link(blob, snapshot / file.rfilename)
            if asset.revision != commit:
                _write(storage / "refs" / (asset.revision or constants.DEFAULT_REVISION), commit)
            for stale in (storage / "blobs").glob("*.partial"):
                stale.unlink()
    return _place(snapshot, asset.by_hand) if asset.kind == "cases" else snapshot


def by_hand(asset: Asset, weights: bool = True) -> str:
    """How to bring it here from where there is a network, in three lines."""
    place = shown(asset.by_hand)
    if asset.kind == "cases":
        files = "one CSV, JSONL or Parquet file"
        command = f"git clone {constants.ENDPOINT}/datasets/{asset.hub_id} {place}"
    else:
        files = "config.json, tokenizer.json" + ", model*.safetensors" * weights
        revision = f" --revision {asset.revision}" if asset.revision else ""
        command = f'hf download {asset.hub_id}{revision} --exclude "*.bin" --local-dir {place}'
    return f"{asset.kind} {asset.hub_id} belongs in {place}\n  {files}; for example with\n  {command}\n"


@contextmanager
def _explained(asset: Asset):
    """What the hub refuses, as something the user can mend."""
    name = f"{asset.setting} {asset.hub_id}"
    page = f"{constants.ENDPOINT}/{'datasets/' * (asset.kind == 'cases')}{asset.hub_id}"
    try:
        yield
    except GatedRepoError:
        raise UserError(f"{name} wants its licence accepted: do so at {page},\nthen run `hf auth login`") from None
    except RevisionNotFoundError:
        raise UserError(f"{name} has no revision '{asset.revision}': see {page}/commits/main") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise UserError(f"{name} is neither a path here nor public on the hub: check the spelling,\n"
                        "or run `hf auth login` if it is private") from None  # fmt: skip
    except (httpx2.TransportError, OfflineModeIsEnabled, HfHubHTTPError) as error:
        why = first_line(error, 120)
        if isinstance(error, HfHubHTTPError) and error.response.status_code not in PASSING:
            raise UserError(f"{name} is refused: {why}\nsee {page}, or run `hf auth login`") from None
        raise Unreachable(f"{constants.ENDPOINT} does not answer: {why}") from None


def _listing(asset: Asset, weights: bool) -> tuple[str, list[RepoSibling]]:
    """(commit, files to fetch with size and hash), as the hub tells them."""
    info = HfApi().repo_info(
        asset.hub_id, repo_type=asset.repo_type, revision=asset.revision, files_metadata=True,
        timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
    )  # fmt: skip
    names = [file.rfilename for file in info.siblings]
    if asset.kind != "cases" and not any(_matches(name, WEIGHTS) for name in names):
        only = "only pickled weights, which can run code" if any(n.endswith(".bin") for n in names) else "no weights"
        raise UserError(f"{asset.setting} {asset.hub_id} holds {only}: choose a safetensors copy of it")
    if asset.kind != "cases" and not any(name.endswith("config.json") for name in names):
        raise UserError(f"{asset.setting} {asset.hub_id} holds no config.json: choose a transformers model")
    patterns = PATTERNS[asset.kind] + WEIGHTS * (weights and asset.kind != "cases")
    files = [file for file in info.siblings if _matches(file.rfilename, patterns)]
    if not all(re.fullmatch("[0-9a-f]{40,64}", name) for name in (info.sha, *map(_etag, files))):
        raise UserError(f"{constants.ENDPOINT} lists {asset.hub_id} with names that are no hashes: use another mirror")
    return info.sha, files


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    # fnmatch lets * run over a slash; a pattern without one means the top folder only
    plain = name.isprintable() and "\\" not in name
    return plain and any(
        fnmatch.fnmatch(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns
    )


def _is_weight(file: RepoSibling) -> bool:
    return file.rfilename.endswith(".safetensors")


def _etag(file: RepoSibling) -> str:
    return file.lfs.sha256 if file.lfs else file.blob_id


def _size(file: RepoSibling) -> int:
    return file.lfs.size if file.lfs else file.size


def _is_whole(path: Path, file: RepoSibling) -> bool:
    """Other programs write this cache too, and a power cut may have cut short what they wrote."""
    return path.exists() and path.stat().st_size == _size(file)


def _fetch_blob(asset: Asset, commit: str, file: RepoSibling, blob: Path, progress: Progress) -> None:
    """Bring `blob` to disk whole and checked, going on from the last byte of an earlier try."""
    url = hf_hub_url(asset.hub_id, file.rfilename, repo_type=asset.repo_type, revision=commit)
    partial, size = _partial(blob), _size(file)
    partial.touch()
    have = best = partial.stat().st_size
    bar = progress.add_task(file.rfilename[-28:], total=size, completed=have)
    fruitless, reason = 0, "the connection closed"
    while have < size:
        try:
            _append(url, partial, have, lambda done: progress.update(bar, completed=done))
        except (httpx2.TransportError, HfHubHTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in PASSING:
                raise
            reason = first_line(error, 120)
        have = partial.stat().st_size
        # against the best so far: a server that starts over each time must not keep us for ever
        fruitless, best = (0, have) if have > best else (fruitless + 1, best)
        if fruitless == TRIES:
            raise UserError(f"{file.rfilename} of {asset.hub_id} broke off at {decimal(have)} of {decimal(size)} "
                            f"({reason}):\nrun the same command again, it goes on from there")  # fmt: skip
        if fruitless and have < size:
            time.sleep(PAUSE)
    progress.update(bar, description=f"checking {file.rfilename[-19:]}", completed=0)
    _check(partial, file, asset, lambda read: progress.advance(bar, read))
    progress.update(bar, description=file.rfilename[-28:])
    os.replace(partial, blob)
    if file.lfs:
        hashes.remember(blob, file.lfs.sha256)


def _append(url: str, partial: Path, have: int, at: Callable[[int], None]) -> None:
    """Write the rest of the file behind its first `have` bytes; a server that ignores the range starts it over."""
    headers = build_hf_headers() | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        hf_raise_for_status(response)
        resumes = response.status_code == 206
        have = have if resumes else 0
        with partial.open("ab" if resumes else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                have += len(chunk)
                at(have)
            file.flush()
            os.fsync(file.fileno())


def _check(partial: Path, file: RepoSibling, asset: Asset, progress: Callable[[int], None]) -> None:
    """The content must be what the hub says it is: sha256 for large files, git's own hash for small ones."""
    digest = hashlib.sha256() if file.lfs else hashlib.sha1(f"blob {_size(file)}\0".encode())
    if hashes.hash_with(digest, partial, progress) != _etag(file):
        partial.unlink()
        raise UserError(f"{file.rfilename} of {asset.hub_id} arrived damaged and was deleted:\n"
                        "run the same command again")  # fmt: skip


def _link(blob: Path, pointer: Path) -> None:
    pointer.parent.mkdir(parents=True, exist_ok=True)
    try:
        pointer.unlink(missing_ok=True)
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:  # Windows without developer mode has no links
        os.replace(blob, pointer)


def _place(snapshot: Path, folder: Path) -> Path:
    """Cases go where a `git clone` would put them, so that there is one place to look."""
    for file in snapshot.iterdir():
        beside = _partial(folder / file.name)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, beside)
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, folder / file.name)
    return folder


def _make_room(blobs: Path, files: list[RepoSibling]) -> None:
    blobs.mkdir(parents=True, exist_ok=True)
    sizes = [(blobs / _etag(file), _size(file)) for file in files]
    here = sum(path.stat().st_size for blob, _ in sizes for path in (blob, _partial(blob)) if path.exists())
    needed, free = sum(size for _, size in sizes) - here, shutil.disk_usage(blobs).free
    if needed > free:
        place = shown(blobs.parent.parent)
        raise UserError(f"no space left in {place}: {decimal(needed)} are needed, {decimal(free)} are free:\n"
                        "make room, or set HF_HOME to a folder on a larger disk")  # fmt: skip


def _alone(storage: Path, asset: Asset):
    """Two runs must not write one partial file. The lock goes with the process, however that ends."""
    path = storage.parent / ".locks" / storage.name / "load_tokenizer.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(path, timeout=0).acquire()  # a context manager
    except Timeout:
        raise UserError(f"another run is fetching {asset.hub_id}: wait until it ends, then run this again") from None


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _partial(path)
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<28}", markup=False), BarColumn(bar_width=None), DownloadColumn(),
        TransferSpeedColumn(), TimeRemainingColumn(compact=True),
    )  # fmt: skip
