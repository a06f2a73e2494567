import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import COMMIT, Hub

import load_tokenizer
from langlearn import config
from langlearn.assets import Asset
from langlearn.errors import UserError
from langlearn.files import proof

ROOT = Path(load_tokenizer.__file__).resolve().parent


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A checkout of its own, so that nothing lands in this one."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "langlearn", folder / "langlearn", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("load_tokenizer.py", "config.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture
def hub(tiny_falcon, tiny_corpus):
    served = Hub()
    served.repos["models/clinic/tiny"] = {path.name: path.read_bytes() for path in tiny_falcon.iterdir()}
    served.repos["datasets/clinic/cases"] = {"cases.csv": tiny_corpus.read_bytes()}
    yield served
    served.close()


def run(project, hub, *arguments):
    environment = os.environ | {
        "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(project / "hub"), "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1",
        "XDG_CACHE_HOME": str(project / "cache"), "COLUMNS": "80", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "load_tokenizer.py", "--profile", "tiny", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def settings(base, cases):
    return config.Config(model=config.Model(base=str(base)), data=config.Data(cases=str(cases)))


def test_everything_is_fetched_shown_and_proved_to_load_and_the_proof_asks_the_hub_for_nothing(project, hub):
    ended = run(project, hub, "--model.base", "clinic/tiny", "--data.cases", "clinic/cases")
    assert ended.returncode == 0, ended.stderr
    models = [f"/clinic/tiny/resolve/{COMMIT}/{name}" for name in hub.repos["models/clinic/tiny"]]
    cases = ["/api/datasets/clinic/cases", f"/datasets/clinic/cases/resolve/{COMMIT}/cases.csv"]
    assert sorted(hub.requests) == sorted(["/api/models/clinic/tiny", *models, *cases])

    table, proved = ended.stdout.split("Loading each of them with the hub switched off:")
    for line in ("tokenizer   hub/models--clinic--tiny/snapshots", "embedder ", "cases       data/cases "):
        assert line in table
    for line in ("tokens and came back", "falcon, ", "every file whole", "became 384 numbers", "24 cases from"):
        assert line in proved
    assert max(len(line) for line in ended.stdout.splitlines()) <= 80 and ended.stderr == ""


def test_what_is_here_already_needs_no_network(tiny_falcon, tiny_corpus, capsys):
    wanted = [
        Asset("base model", str(tiny_falcon)), Asset("embedder", "all-MiniLM-L6-v2"), Asset("cases", str(tiny_corpus)),
    ]  # fmt: skip
    load_tokenizer.fetch_what_is_missing(wanted, weights=True)
    assert capsys.readouterr().out == "Nothing to download: all of it is on this machine.\n"


def test_without_a_network_all_that_is_missing_is_named_with_the_place_for_it(project, hub):
    hub.close()
    ended = run(project, hub, "--model.base", "tiiuae/falcon-7b", "--data.cases", "BI55/MedText")
    assert ended.returncode == 2
    assert f"{hub.url} does not answer: " in ended.stdout
    assert "base model tiiuae/falcon-7b belongs in models/falcon-7b" in ended.stdout
    assert 'hf download tiiuae/falcon-7b --exclude "*.bin" --local-dir models/falcon-7b' in ended.stdout
    assert f"git clone {hub.url}/datasets/BI55/MedText data/MedText" in ended.stdout
    assert ended.stderr == (
        "error: missing model.base tiiuae/falcon-7b, data.cases BI55/MedText, and no network:\n"
        "put them where the lines above say\n"
    )


def test_a_folder_that_does_not_exist_is_named():
    with pytest.raises(UserError, match="model.base models/none is not on this machine\nput it there, or set"):
        load_tokenizer.fetch_what_is_missing([Asset("base model", "models/none")], weights=True)


def test_without_weights_the_rest_is_proved(tiny_falcon, tiny_corpus, tmp_path, capsys):
    light = Path(shutil.copytree(tiny_falcon, tmp_path / "light"))
    (light / "model.safetensors").unlink()
    proof.load_everything(settings(light, tiny_corpus), weights=False)
    assert "base model  falcon, weights left out\n" in capsys.readouterr().out
    with pytest.raises(UserError, match="lacks model.safetensors"):
        proof.load_everything(settings(light, tiny_corpus), weights=True)


def test_the_proof_refuses_weights_that_were_cut_short(tiny_falcon, tiny_corpus, tmp_path):
    cut = Path(shutil.copytree(tiny_falcon, tmp_path / "cut"))
    with (cut / "model.safetensors").open("rb+") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 1)
    with pytest.raises(UserError, match="cut/model.safetensors is damaged or cut short"):
        proof.load_everything(settings(cut, tiny_corpus), weights=True)


def test_the_proof_refuses_a_tokenizer_that_does_not_load(tiny_falcon, tiny_corpus, tmp_path):
    broken = Path(shutil.copytree(tiny_falcon, tmp_path / "broken"))
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="tokenizer in .*broken does not load: .*\nfetch or copy it again"):
        proof.load_everything(settings(broken, tiny_corpus), weights=True)


def test_the_proof_refuses_a_tokenizer_that_loses_words(tiny_falcon, tiny_corpus, tmp_path):
    lossy = Path(shutil.copytree(tiny_falcon, tmp_path / "lossy"))
    text = (lossy / "tokenizer.json").read_text(encoding="utf-8")
    described = json.loads(text)
    described["normalizer"] = {"type": "Replace", "pattern": {"String": "ankle"}, "content": ""}
    (lossy / "tokenizer.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(UserError, match="does not decode what it encodes"):
        proof.load_everything(settings(lossy, tiny_corpus), weights=True)


def test_the_proof_runs_where_the_hubs_library_is_switched_off(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    asks = "from huggingface_hub import constants; raise SystemExit(7 if constants.HF_HUB_OFFLINE else 0)"
    assert proof.in_child(["-c", asks]) == 7
