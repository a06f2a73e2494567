"""What a run says: on the screen as it is by then, and in the log."""

import io
import re
import sys

from langlearn.trainlog import TrainLog


def test_what_is_said_stands_above_a_bar_that_came_after_the_log_and_in_the_log(tmp_path, monkeypatch):
    log, screen = TrainLog(tmp_path), io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)  # as a progress bar does on a terminal, to print above itself
    log.say("index [bold]: reused\n2 lines")
    assert screen.getvalue() == "index [bold]: reused\n2 lines\n"
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    said = (tmp_path / "train.log").read_text()
    assert re.fullmatch(rf"{stamp} index \[bold\]: reused\n{stamp} 2 lines\n", said)
