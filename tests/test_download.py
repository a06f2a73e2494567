import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hub_server import COMMIT, Hub
from huggingface_hub import constants, snapshot_download

from langlearn import assets
from langlearn.assets import Asset
from langlearn.config import ROOT
from langlearn.errors import UserError
from langlearn.files import download, model_files

MODEL = Asset("base model", "clinic/tiny")
STORAGE = "models--clinic--tiny"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that this process downloads from, into `tmp_path/hub`, with `tmp_path` as the project's folder."""
    served = Hub()
    for name, value in {
        "ENDPOINT": served.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": served.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(model_files, "ROOT", tmp_path)
    monkeypatch.setattr(download, "PAUSE", 0)
    yield served
    served.close()


@pytest.fixture
def files(tiny_falcon):
    return {path.name: path.read_bytes() for path in tiny_falcon.iterdir()}


def blobs(tmp_path, storage=STORAGE):
    return {path.name for path in (tmp_path / "hub" / storage / "blobs").glob("*")}


def contents(folder, files):
    return {name: (folder / name).read_bytes() for name in files}


def test_a_repository_arrives_whole_in_the_layout_that_the_hubs_own_library_reads(hub, files, tmp_path):
    hub.repos["models/clinic/tiny"] = files
    folder = download.fetch(MODEL)
    assert contents(folder, files) == files
    assert Path(snapshot_download("clinic/tiny", local_files_only=True, cache_dir=tmp_path / "hub")) == folder
    assert MODEL.require() == folder
    assert (folder / "model.safetensors").is_symlink()


def test_a_connection_that_breaks_in_mid_file_is_taken_up_at_that_byte(hub, files):
    hub.repos["models/clinic/tiny"] = files
    hub.breaks["model.safetensors"] = [70_000, 50_000]
    folder = download.fetch(MODEL)
    assert contents(folder, files) == files
    assert hub.ranges("model.safetensors") == [None, "bytes=70000-", "bytes=120000-"]


def test_a_killed_download_leaves_no_file_that_passes_for_whole_and_the_next_run_goes_on(hub, tmp_path):
    data = b"Prompt,Completion\n" + b"a,b\n" * 50_000
    hub.repos["datasets/BI55/MedText"] = {"medtext_2.csv": data, "README.md": b"cases"}
    hub.stalls["medtext_2.csv"] = 90_000
    code = (
        "from langlearn import assets; from langlearn.files import download; "
        "download.fetch(assets.Asset('cases', 'BI55/MedText'))"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"}
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    storage = tmp_path / "hub" / "datasets--BI55--MedText"
    blob = storage / "blobs" / hashlib.sha256(data).hexdigest()
    partial = blob.with_name(blob.name + ".partial")
    while child.poll() is None and not (partial.exists() and partial.stat().st_size == 90_000):
        time.sleep(0.01)
    child.kill()
    child.wait()

    assert partial.stat().st_size == 90_000 and not blob.exists()
    assert not list(storage.glob("snapshots/*/medtext_2.csv")) and not (storage / "refs").exists()
    assert Asset("cases", "BI55/MedText").missing()

    del hub.stalls["medtext_2.csv"]
    assert (download.fetch(Asset("cases", "BI55/MedText")) / "medtext_2.csv").read_bytes() == data
    assert hub.ranges("medtext_2.csv") == [None, "bytes=90000-"]
    assert hub.ranges("README.md") == [None]
    assert not list(storage.glob("blobs/*.partial"))


def test_a_server_that_ignores_ranges_is_read_from_the_start(hub, files):
    hub.repos["models/clinic/tiny"] = files
    hub.honours_range = False
    hub.breaks["model.safetensors"] = [70_000]
    assert contents(download.fetch(MODEL), files) == files
    assert hub.ranges("model.safetensors") == [None, "bytes=70000-"]


def test_a_connection_that_keeps_breaking_ends_with_the_state_and_keeps_what_came(hub, files, tmp_path):
    hub.repos["models/clinic/tiny"] = files
    hub.honours_range = False
    hub.breaks["model.safetensors"] = [70_000, 60_000] * 25
    with pytest.raises(UserError, match=r"model\.safetensors of clinic/tiny broke off at 60\.0 kB of .*\n.*goes on"):
        download.fetch(MODEL)
    assert len(hub.ranges("model.safetensors")) == 1 + download.TRIES
    assert [name for name in blobs(tmp_path) if name.endswith(".partial")]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_content_that_is_not_what_the_hub_announced_is_deleted(hub, files, tmp_path, name):
    hub.repos["models/clinic/tiny"] = files
    hub.damaged[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    with pytest.raises(UserError, match=f"{name} of clinic/tiny arrived damaged"):
        download.fetch(MODEL)
    assert not any(entry.endswith(".partial") for entry in blobs(tmp_path))
    assert MODEL.missing()

    hub.damaged.clear()
    assert contents(download.fetch(MODEL), files) == files


def test_pickled_weights_and_code_are_never_asked_for(hub, files):
    others = ("pytorch_model.bin", "modeling.py", "onnx/model.onnx", "coreml/config.json", "original/x.safetensors")
    hub.repos["models/clinic/tiny"] = files | dict.fromkeys(others, b"x")
    download.fetch(MODEL)
    assert not {name for name, _ in hub.asked} & set(others)


def test_of_an_embedder_its_pooling_is_fetched_and_its_copies_for_other_runtimes_are_not(hub, files):
    modules = [{"path": name, "type": f"sentence_transformers.models.{kind}"} for name, kind in
               (("", "Transformer"), ("1_Pooling", "Pooling"))]  # fmt: skip
    needed = files | {"modules.json": json.dumps(modules).encode(), "1_Pooling/config.json": b"{}"}
    hub.repos["models/clinic/embedder"] = needed | {"onnx/config.json": b"{}", "openvino/openvino_model.bin": b"x"}
    folder = download.fetch(Asset("embedder", "clinic/embedder"))
    assert contents(folder, needed) == needed and assets.embedder_folder("clinic/embedder") == folder
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(needed)


def test_a_repository_with_only_pickled_weights_is_refused_before_anything_is_fetched(hub, files):
    rest = {name: data for name, data in files.items() if name != "model.safetensors"}
    hub.repos["models/clinic/tiny"] = rest | {"pytorch_model.bin": b"x"}
    with pytest.raises(UserError, match="model.base clinic/tiny holds only pickled weights.*: choose a safetensors"):
        download.fetch(MODEL)
    assert not hub.asked


def test_a_model_that_needs_its_own_code_is_refused_before_its_weights_are_fetched(hub, files):
    config = json.loads(files["config.json"]) | {"model_type": "RefinedWebModel", "auto_map": {"AutoConfig": "x.Y"}}
    hub.repos["models/clinic/tiny"] = files | {"config.json": json.dumps(config).encode()}
    with pytest.raises(UserError, match="'RefinedWebModel' needs its own Python code, which is never run"):
        download.fetch(MODEL)
    assert not hub.ranges("model.safetensors")


def test_weights_can_be_left_out_and_fetched_later(hub, files):
    hub.repos["models/clinic/tiny"] = files
    download.fetch(MODEL, weights=False)
    assert not hub.ranges("model.safetensors")
    assert MODEL.missing(weights=False) == [] and MODEL.missing() == ["model.safetensors"]
    download.fetch(MODEL)
    assert MODEL.missing() == [] and hub.ranges("config.json") == [None]


def test_a_disk_that_is_too_small_is_named_before_anything_is_fetched(hub, files):
    hub.repos["models/clinic/tiny"] = files
    hub.claims["model.safetensors"] = 10**17
    with pytest.raises(UserError, match=r"no space left in .*hub: 100\.0 PB are needed, .* are free:\n.*HF_HOME"):
        download.fetch(MODEL)
    assert not hub.asked


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, "RepoNotFound"), "is neither a path here nor public on the hub"),
        ((403, "GatedRepo"), "wants its licence accepted"),
        ((404, "RevisionNotFound"), "has no revision 'v2'"),
        ((418, ""), "is refused"),
    ],
)
def test_what_the_hub_refuses_is_said_with_its_remedy(hub, answer, says):
    hub.errors["models/clinic/tiny"] = answer
    with pytest.raises(UserError, match=f"model.base clinic/tiny {says}") as refused:
        download.fetch(Asset("base model", "clinic/tiny", "v2"))
    assert not isinstance(refused.value, download.Unreachable)


def test_a_hub_that_does_not_answer_is_unreachable(hub):
    hub.close()
    with pytest.raises(download.Unreachable, match="^http://127.0.0.1:.* does not answer: "):
        download.fetch(MODEL)


def test_half_a_file_of_an_older_version_goes_once_the_newer_is_whole(hub, files, tmp_path):
    hub.repos["models/clinic/tiny"] = files
    old = tmp_path / "hub" / STORAGE / "blobs" / ("e" * 64 + ".partial")
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    download.fetch(MODEL)
    assert not old.exists()


def test_a_file_that_a_power_cut_left_short_is_fetched_again(hub, files):
    hub.repos["models/clinic/tiny"] = files
    folder = download.fetch(MODEL)
    for name in ("model.safetensors", "config.json"):
        (folder / name).write_bytes(files[name][:-1])
    assert contents(download.fetch(MODEL), files) == files


def test_a_deleted_blob_is_fetched_again_behind_its_link(hub, files):
    hub.repos["models/clinic/tiny"] = files
    folder = download.fetch(MODEL)
    (folder / "model.safetensors").resolve().unlink()
    assert MODEL.missing() == ["model.safetensors"]
    assert contents(download.fetch(MODEL), files) == files


def test_a_listing_whose_names_lead_elsewhere_is_refused(hub, files, tmp_path):
    hub.repos["models/clinic/tiny"] = files
    hub.commit = "../../../outside"
    with pytest.raises(UserError, match="lists clinic/tiny with names that are no hashes"):
        download.fetch(MODEL)
    assert not hub.asked and not (tmp_path / "hub").exists()


def test_two_runs_do_not_write_the_same_file(hub, files, tmp_path):
    hub.repos["models/clinic/tiny"] = files
    lock = tmp_path / "hub" / ".locks" / STORAGE / "load_tokenizer.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(UserError, match="another run is fetching clinic/tiny"):
        download.fetch(MODEL)
    assert download.fetch(MODEL).name == COMMIT


@pytest.mark.parametrize("ref", ["BI55/MedText", "data/MedText"])
def test_cases_land_where_a_git_clone_would_put_them(hub, tmp_path, ref):
    hub.repos["datasets/BI55/MedText"] = {"medtext_2.csv": b"Prompt,Completion\na,b\n", "README.md": b"", "x.py": b"x"}
    cases = Asset("cases", ref)
    assert download.fetch(cases) == tmp_path / "data" / "MedText" == cases.require()
    assert sorted(path.name for path in cases.require().iterdir()) == ["README.md", "medtext_2.csv"]
    assert (tmp_path / "data" / "MedText" / "medtext_2.csv").read_bytes() == b"Prompt,Completion\na,b\n"


def test_a_revision_is_kept_under_its_name(hub, files, tmp_path):
    hub.repos["models/clinic/tiny"] = files
    folder = download.fetch(Asset("base model", "clinic/tiny", COMMIT))
    assert not (tmp_path / "hub" / STORAGE / "refs").exists()
    assert download.fetch(MODEL) == folder
    assert (tmp_path / "hub" / STORAGE / "refs" / "main").read_text() == COMMIT
