"""Ctrl-C during a run: once asks for a stop, later once more stops at once."""

import signal

import pytest

from langlearn import interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_a_stop_and_says_so_and_its_handler_goes(number, capfd):
    before = signal.getsignal(number)
    with interruption.interruptible() as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked() and signal.getsignal(number) is not before
    assert signal.getsignal(number) is before
    assert capfd.readouterr().err.count("stopping when this step is done and saved") == 1


def test_the_same_wish_told_twice_is_one_and_a_later_one_stops_at_once(monkeypatch, capfd):
    with interruption.interruptible() as asked:
        monkeypatch.setattr(interruption, "TOGETHER", 3600)
        for _ in range(3):  # as `timeout -s INT` does, to the process and to its group
            signal.raise_signal(signal.SIGINT)
        assert asked()
        monkeypatch.setattr(interruption, "TOGETHER", -1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err.count("stopping when this step") == 1
