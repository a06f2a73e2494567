"""Batches that become smaller where memory runs out."""

import weakref

import pytest
import torch

from langlearn import config, generation, halving, model
from langlearn.halving import in_batches


def test_every_item_is_computed_once_in_order_however_small_the_batches_become():
    tried = []

    def compute(batch):
        tried.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("no room")
        return [2 * item for item in batch]

    made = list(in_batches(range(8), 7, compute))
    assert [item for batch, _ in made for item in batch] == list(range(8))
    assert [item for _, results in made for item in results] == list(range(0, 16, 2))
    assert tried == [7, 3, 3, 2]


def test_what_the_failed_batch_held_is_gone_when_memory_is_given_back(monkeypatch):
    held, gone = [], []

    def compute(batch):
        if len(batch) == 2:
            tensor = torch.zeros(1)
            held.append(weakref.ref(tensor))
            raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(halving, "give_back_freed_memory", lambda: gone.append(held[0]() is None))
    assert len(list(halving.in_batches("ab", 2, compute))) == 2 and gone == [True]


def test_a_single_item_that_is_too_much_is_not_tried_for_ever():
    def never(batch):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        list(in_batches(range(4), 4, never))


def test_answers_are_the_same_where_memory_holds_only_two_at_once(tiny_falcon, monkeypatch):
    settings = config.Model(base=str(tiny_falcon))
    talker, tokenizer = model.load_base(settings, "cpu", torch.float32), model.load_tokenizer(settings)
    texts = [f"Question: a cough for {days} days?\nAnswer:" for days in range(10, 15)]

    def answers():
        return [said.text for said in generation.generate_many(talker, tokenizer, texts, 8)]

    expected, real, sizes = answers(), talker.generate, []

    def scarce(input_ids, **rest):
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("no room")
        return real(input_ids=input_ids, **rest)

    monkeypatch.setattr(talker, "generate", scarce)
    assert answers() == expected and sizes == [5, 2, 2, 1]
