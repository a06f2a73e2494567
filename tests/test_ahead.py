"""What the next step needs is made while this one is computed."""

import threading

import pytest

from langlearn.ahead import Ahead


def test_the_next_is_made_before_it_is_asked_for_and_in_another_thread():
    made, main = {}, threading.current_thread()
    second = threading.Event()

    def make(number):
        made[number] = threading.current_thread()
        if number == 6:
            second.set()
        return number * number

    with Ahead(make, end=8) as ahead:
        assert ahead.take(5) == 25
        assert second.wait(10)
        assert [ahead.take(n) for n in (6, 7)] == [36, 49]
    assert sorted(made) == [5, 6, 7] and main not in made.values()
    assert not any(thread.is_alive() for thread in made.values())


def test_what_goes_wrong_is_raised_where_it_is_taken():
    def make(number):
        if number == 1:
            raise ValueError("row 7 is too long")
        return number

    with Ahead(make, end=3) as ahead:
        assert ahead.take(0) == 0
        with pytest.raises(ValueError, match="row 7"):
            ahead.take(1)
        assert ahead.take(2) == 2
