import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_embedder import save_embedder

from langlearn.cases import Case, Corpus
from langlearn.embedding import Embedder
from langlearn.errors import UserError
from langlearn.index import open_index
from langlearn.search import index_files

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def case(prompt: str, completion: str, row: int = 0, **labels: str) -> Case:
    return Case(hashlib.sha256(f"{prompt}\0{completion}".encode()).hexdigest()[:12], prompt, completion, row, labels)


def corpus(cases: list[Case]) -> Corpus:
    digest = hashlib.sha256(json.dumps([(c.id, c.row) for c in cases]).encode()).hexdigest()
    return Corpus(cases, Path("cases.csv"), digest, [], 0)


def some_cases(count: int = 8) -> list[Case]:
    complaints = ["cough", "rash", "ankle pain", "headache", "fever", "back pain", "itch", "nausea", "dizziness"]
    return [
        case(f"A patient has {word}.", f"This is about {word}. Rest.", i) for i, word in enumerate(complaints)
    ][:count]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    torch.set_num_threads(1)  # a process that has used several threads cannot be forked
    return Embedder(str(save_embedder(tmp_path_factory.mktemp("embedder") / "one")), device="cpu")


@pytest.fixture(scope="module")
def other_embedder(tmp_path_factory):
    return Embedder(str(save_embedder(tmp_path_factory.mktemp("embedder") / "two", seed=1)), device="cpu")


@pytest.fixture(scope="module")
def built(tmp_path_factory, embedder):
    """Folder with the index of `some_cases()`; copy it before you change it."""
    folder = tmp_path_factory.mktemp("built") / "index"
    open_index(folder, corpus(some_cases()), embedder)
    return folder


@pytest.fixture
def folder(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "index"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_unchanged_corpus_embeds_nothing_and_writes_nothing(folder, embedder):
    before = contents(folder)
    index = open_index(folder, corpus(some_cases()), embedder)
    assert index.embedded == 0 and contents(folder) == before
    assert index.cases == some_cases() and index.vectors.shape == (8, 32) and index.owner.tolist() == list(range(8))


def test_the_manifest_says_what_the_index_was_made_from(folder, embedder):
    manifest = index_files.read_manifest(folder)
    assert manifest["corpus"]["sha256"] == corpus(some_cases()).sha256 and manifest["counts"]["cases"] == 8
    assert manifest["embedder"]["hash"] == embedder.identity()["hash"] and len(manifest["embedder"]["probes"]) == 3
    assert manifest["dimension"] == 32 and manifest["search"] == {"kind": "exact"}
    assert manifest["fusion"]["mode"] == "hybrid" and -1 < manifest["threshold"]["value"] < 1


@pytest.mark.parametrize("change", ["added", "changed", "deleted", "reordered"])
def test_a_changed_corpus_embeds_only_what_changed_and_equals_a_new_index(change, folder, tmp_path, embedder):
    cases = some_cases()
    if change == "added":
        cases = some_cases(9)
    elif change == "changed":
        cases[3] = case("A patient has migraine.", cases[3].completion, 3)
    elif change == "deleted":
        del cases[2]
    else:
        cases = [case(c.prompt, c.completion, row) for row, c in enumerate(reversed(cases))]
    updated = open_index(folder, corpus(cases), embedder)
    fresh = open_index(tmp_path / "fresh", corpus(cases), embedder)
    # a new case is embedded as a whole, and by prompt and completion for the fit
    assert updated.embedded <= {"added": 3, "changed": 2, "deleted": 0, "reordered": 0}[change] < fresh.embedded
    assert updated.cases == fresh.cases == cases
    assert np.allclose(updated.vectors, fresh.vectors, atol=1e-5)
    assert updated.manifest["fusion"] == fresh.manifest["fusion"]
    assert open_index(folder, corpus(cases), embedder).embedded == 0
    assert len(contents(folder)) == len(contents(tmp_path / "fresh"))  # nothing of the old index is left


def test_a_changed_label_embeds_nothing_and_is_seen(folder, embedder):
    cases = [Case(c.id, c.prompt, c.completion, c.row, {"condition": "cold"}) for c in some_cases()]
    index = open_index(folder, corpus(cases), embedder)
    assert index.embedded == 0 and index.cases[0].labels == {"condition": "cold"}


@pytest.mark.parametrize("role", ["vectors", "records", "search", "manifest"])
def test_one_edited_byte_in_any_file_is_refused_by_name(role, folder, embedder):
    path = next(folder.glob(f"{role}*"))
    good = path.read_bytes()
    step = max(1, len(good) // 60)
    for place in [*range(0, len(good), step), len(good) - 1]:
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(UserError, match=rf"{path.name} was edited or cut short:\n.*--rebuild true"):
            open_index(folder, corpus(some_cases()), embedder)
    path.write_bytes(good)
    assert open_index(folder, corpus(some_cases()), embedder).embedded == 0


@pytest.mark.parametrize("role", ["vectors", "records", "search", "manifest"])
def test_a_truncated_file_is_refused_by_name_and_a_rebuild_mends_it(role, folder, embedder):
    path = next(folder.glob(f"{role}*"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=path.name):
        open_index(folder, corpus(some_cases()), embedder)
    assert open_index(folder, corpus(some_cases()), embedder, rebuild=True).embedded > 0
    assert open_index(folder, corpus(some_cases()), embedder).embedded == 0


def test_a_missing_file_is_refused_by_name(folder, embedder):
    path = next(folder.glob("vectors*"))
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name} is missing"):
        open_index(folder, corpus(some_cases()), embedder)


def test_an_index_of_another_format_is_refused_by_name(folder, embedder, monkeypatch):
    monkeypatch.setattr(index_files, "FORMAT", 99)
    with pytest.raises(UserError, match="has format 1, not 99"):
        open_index(folder, corpus(some_cases()), embedder)


def test_an_index_of_another_embedder_of_the_same_dimension_is_refused_by_name(folder, embedder, other_embedder):
    with pytest.raises(UserError, match=r"built with embedder .*one, not .*two\n\(other hash\): .*--rebuild true"):
        open_index(folder, corpus(some_cases()), other_embedder)
    assert open_index(folder, corpus(some_cases()), embedder).embedded == 0
    assert open_index(folder, corpus(some_cases()), other_embedder, rebuild=True).embedded > 0


def test_an_embedder_that_gives_other_vectors_under_the_same_identity_is_refused(folder, embedder, other_embedder):
    swapped = Embedder(str(embedder.folder), device="cpu")
    swapped.model = other_embedder.model
    with pytest.raises(UserError, match="built with embedder another .*\n.*probe vectors with cosine"):
        open_index(folder, corpus(some_cases()), swapped)


def test_a_case_longer_than_the_window_is_split_and_its_end_is_found(tmp_path, embedder):
    long = case("A long story.", " ".join(f"Sentence number {i} says nothing." for i in range(20)) + " It was gout.")
    index = open_index(tmp_path / "index", corpus([*some_cases(), long]), embedder)
    last = len(index.vectors) - 1
    assert index.manifest["counts"]["split"] == 1 and index.owner.tolist().count(8) > 2
    assert index.piece_text(last).endswith("It was gout.")
    assert index.search(embedder.encode([index.piece_text(last)]), 1)[1][0, 0] == last
    assert all(count <= embedder.max_tokens for count in embedder.count_tokens([index.piece_text(last)]))


def test_only_completions_are_searched_where_only_they_are_indexed(tmp_path, embedder):
    index = open_index(tmp_path / "index", corpus(some_cases()), embedder, fields="completion")
    assert index.piece_text(0) == "This is about cough. Rest."
    assert not index.candidates.lexical.scores("patient has").any()
    assert open_index(tmp_path / "index", corpus(some_cases()), embedder).embedded > 0  # back to both: an update


@forks
def test_a_crash_at_any_step_leaves_the_old_index_or_the_new_one(built, tmp_path, embedder):
    old, new = corpus(some_cases()), corpus(some_cases()[:-1])
    became_new = []
    for step in range(100):
        folder = Path(shutil.copytree(built, tmp_path / str(step)))
        ended = in_child(lambda: open_index(folder, new, embedder), die_at=step)
        found = new if is_of(folder, new) else old
        assert open_index(folder, found, embedder).embedded == 0
        became_new.append(found is new)
        if ended == 0:
            break
    assert (
        ended == 0 and became_new == sorted(became_new) and became_new.count(False) > 5 and became_new.count(True) > 1
    )


@forks
def test_what_a_crash_left_over_goes_with_the_next_change(folder, embedder):
    in_child(lambda: open_index(folder, corpus(some_cases()[:-1]), embedder), die_at=6)
    assert len(left := contents(folder)) > 5
    open_index(folder, corpus(some_cases()[:-2]), embedder)
    assert len(contents(folder)) == 5, left.keys()  # three files, their manifest and the lock


@forks
def test_no_space_left_leaves_the_old_index_whole_and_nothing_half_written(folder, embedder):
    before = contents(folder)

    def full_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        try:
            open_index(folder, corpus(some_cases(9)), embedder)
        except OSError as error:
            assert error.errno  # with its reason, so that a script can say it
            return
        raise AssertionError("it was written")

    assert in_child(full_disk) == 0
    assert contents(folder) == before


@forks
def test_of_two_processes_that_open_it_at_once_one_builds_and_the_other_loads(tmp_path, embedder):
    def opened() -> None:
        embedded = open_index(tmp_path / "index", corpus(some_cases()), embedder).embedded
        (tmp_path / f"{os.getpid()}.embedded").write_text(str(embedded))

    children = [start_child(opened), start_child(opened)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    embedded = sorted(int(path.read_text()) for path in tmp_path.glob("*.embedded"))
    assert embedded[0] == 0 and embedded[1] > 0


def is_of(folder: Path, of: Corpus) -> bool:
    return index_files.read_manifest(folder)["corpus"]["sha256"] == of.sha256


def in_child(work, die_at: int | None = None) -> int:
    """Exit status of a forked process that does `work`; it is killed before its `die_at`-th change to a file system."""
    return os.waitstatus_to_exitcode(os.waitpid(start_child(work, die_at), 0)[1])


def start_child(work, die_at: int | None = None) -> int:
    child = os.fork()
    if child:
        return child
    try:
        if die_at is not None:
            changes = iter(range(1000))

            def watch(event: str, arguments: tuple) -> None:
                writes = event in ("os.rename", "os.remove", "os.mkdir")
                writes |= event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
                if writes and next(changes) == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(watch)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
