"""What a model's folder holds, checked without loading it. Nothing here uses the network.

Only safetensors are ever taken, and code that comes with a model is never run; pickled weights are code as well.
"""

import json
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from langlearn.config import ROOT
from langlearn.errors import UserError
from langlearn.files.hashes import combined, file_hash

WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
TOKENIZER_FILES = (
    *VOCABULARIES, "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja",
)  # fmt: skip


def missing_files(folder: Path, tokenizer: bool = True, weights: bool = True) -> list[str]:
    """Names of what a model cannot do without and this folder has not; empty where it is whole."""
    inner = transformer_folder(folder)
    absent = [] if (inner / "config.json").is_file() else ["config.json"]
    if tokenizer and not tokenizer_files(inner) + tokenizer_files(folder):
        absent.append("tokenizer.json")
    return absent + ([file.name for file in weight_files(inner) if not file.is_file()] if weights else [])


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a tokenizer; empty where there is no vocabulary among them."""
    found = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    return found if any(file.name in VOCABULARIES for file in found) else []


def weight_files(folder: Path) -> list[Path]:
    """The safetensors that transformers would load from this folder, whether they are there or not."""
    index = folder / WEIGHTS_INDEX
    if not index.is_file():
        return [index if any(folder.glob("model-*-of-*.safetensors")) else folder / WEIGHTS]
    return [folder / name for name in sorted(set(_weight_map(index).values()))]


def identity_files(folder: Path, weights: bool = True) -> list[Path]:
    """What makes a model the one it is: its weights, configs and vocabulary, and how an embedder pools."""
    names = ("config.json", "tokenizer.json", "modules.json", "sentence_bert_config.json")
    names += ("model*.safetensors", WEIGHTS_INDEX) * weights
    return [file for name in names for where in ("", "[0-9]_*/") for file in folder.glob(where + name)]


def folder_hash(folder: Path) -> str:
    """Identity of a model: sha256 over the names and contents of `identity_files`, wherever the folder lies."""
    return combined(folder, identity_files(folder))


def check_weights(folder: Path) -> int:
    """Parameters in the weight files, after their headers were checked against their sizes, and their content
    against the hash by which the hub's cache calls it. Raises UserError."""
    folder, parameters, names = transformer_folder(folder), 0, set()
    for file in weight_files(folder):
        if not file.is_file():
            raise UserError(f"{shown(file)} does not exist: run load_tokenizer.py to fetch it")
        file = file.resolve()  # in the hub's cache the blob is what must be deleted, not the link to it
        try:
            with safe_open(file, framework="np") as tensors:
                names |= set(tensors.keys())
                parameters += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())
        except (SafetensorError, OSError) as error:
            raise UserError(f"{shown(file)} is {_damage(file)}") from error
        if file.parent.name == "blobs" and len(file.name) == 64 and file_hash(file) != file.name:
            raise UserError(f"{shown(file)} is {_damage(file)}")
    index = folder / WEIGHTS_INDEX
    absent = set(_weight_map(index)) - names if index.is_file() else set()
    if absent:
        raise UserError(f"{shown(folder)} lacks the tensor {min(absent)}: delete it and run load_tokenizer.py")
    return parameters


def refuse_remote_code(folder: Path) -> None:
    """Raises UserError for a model that only runs with Python code from its own folder, or that is too new."""
    for module in _modules(folder):
        if not str(module["type"]).startswith("sentence_transformers."):
            raise UserError(f"{shown(folder)} needs its own Python code ({module['type']}), which is never run:\n"
                            "choose another embedder")  # fmt: skip
    path = transformer_folder(folder) / "config.json"
    described = _json(path, dict)
    kind = str(described.get("model_type"))
    from transformers import CONFIG_MAPPING  # slow to import: --help must not wait for it

    if kind not in CONFIG_MAPPING:
        needs = "its own Python code, which is never run" if "auto_map" in described else "a newer transformers"
        raise UserError(f"{shown(path)}: model_type '{kind}' needs {needs}:\n"
                        "choose a model whose type transformers has built in")  # fmt: skip


def transformer_folder(folder: Path) -> Path:
    """An embedder's transformer may sit in a folder below; a base model is its own."""
    modules = _modules(folder)
    return folder / modules[0]["path"] if modules else folder


def shown(path: Path) -> str:
    """A path as short as it can be said: from the project's folder or from home."""
    for base, prefix in ((ROOT, ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return str(path)


def _modules(folder: Path) -> list[dict]:
    """What a sentence-transformers model is made of; empty for any other."""
    path = folder / "modules.json"
    if not path.is_file():
        return []
    modules = _json(path, list)
    if not modules or not all(isinstance(m, dict) and {"path", "type"} <= set(m) for m in modules):
        raise UserError(f"{shown(path)} is {_damage(path)}")
    return modules


def _weight_map(index: Path) -> dict[str, str]:
    """{tensor: file}; a file's name that leads out of the folder is damage."""
    listed = _json(index, dict).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(n, str) and Path(n).name == n for n in listed.values()):
        raise UserError(f"{shown(index)} is {_damage(index)}")
    return listed


def _json(path: Path, kind: type):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, kind):
        raise UserError(f"{shown(path)} is {_damage(path)}")
    return content


def _damage(file: Path) -> str:
    with file.open("rb") as opened:
        pointer = opened.read(40).startswith(b"version https://git-lfs")
    if pointer:
        return "only a git-lfs pointer: run `git lfs pull` in its folder"
    return "damaged or cut short: delete it and run load_tokenizer.py, or copy it again"
