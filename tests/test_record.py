"""Where an adapter is published nothing that is not a run's is put aside."""

import pytest

from langlearn import record
from langlearn.errors import UserError


def test_a_folder_that_no_run_has_written_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("keep me")
    (tmp_path / "file").write_text("keep me")
    monkeypatch.chdir(tmp_path / "thesis")
    for name in ("../thesis", "../file", ".", "", ".."):
        with pytest.raises(UserError, match="training.output"):
            record.refuse_other_content(record.Path(name))
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "keep me"


def test_a_new_an_empty_and_an_earlier_runs_folder_are_taken(tmp_path):
    for name in ("new", "empty", "earlier"):
        folder = tmp_path / name
        if name != "new":
            folder.mkdir()
        if name == "earlier":
            (folder / "run.json").write_text("{}")
            (folder / "adapter_model.safetensors").write_text("")
        record.refuse_other_content(folder)
