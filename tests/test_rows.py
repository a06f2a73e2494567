"""One row of packed examples: each attends as it does alone, whichever way is taken."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from langlearn import config, rows

LENGTHS = [7, 1, 40]


def inputs(dtype=torch.float64, device="cpu"):
    """query, key and value of a row of LENGTHS."""
    shapes = ((48, 4, 16), (48, 16), (48, 16))
    return [torch.randn(shape, dtype=dtype, device=device, requires_grad=True) for shape in shapes]


def as_documented(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, window_size, enable_gqa):
    """What torch says that its `varlen_attn` computes, for causal windows: an example at a time."""
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32 and cu_seq_q[0] == 0 and cu_seq_q[-1] == len(query)
    assert window_size == (-1, 0) and enable_gqa and key.shape == value.shape == (len(query), 1, query.shape[2])
    assert max_q == max_k == max(cu_seq_q.diff())
    parts = zip(*(x.expand_as(query).split(cu_seq_q.diff().tolist()) for x in (query, key, value)), strict=True)
    turned = [[x.transpose(0, 1)[None] for x in part] for part in parts]
    return torch.cat([F.scaled_dot_product_attention(*part, is_causal=True)[0].transpose(0, 1) for part in turned])


def mirrored(query, key, value, *rest, **settings):
    return as_documented(query, key.flip(0), value, *rest, **settings)


def without_a_gradient(query, key, value, *rest, **settings):
    return as_documented(query, key, value.detach(), *rest, **settings) + 0 * value.sum()


def both_ways(way, given):
    output = way(*given, rows.Row(LENGTHS))
    return [output, *torch.autograd.grad(output.square().sum(), given)]


@pytest.fixture
def kernel(monkeypatch):
    """kernel(f): on this machine torch's kernel for rows is f."""
    monkeypatch.setattr(rows, "_refusals", {})
    return lambda function: monkeypatch.setattr(rows, "varlen_attn", function)


def test_the_kernel_for_rows_is_asked_for_what_each_example_alone_gives(kernel):
    kernel(as_documented)
    given = inputs()
    for one, other in zip(*(both_ways(way, given) for way in (rows._in_one_kernel, rows._each_alone)), strict=True):
        torch.testing.assert_close(one, other)


def test_torchs_own_kernel_for_rows_takes_these_arguments():
    """Without a GPU only its shapes can be seen."""
    given = inputs(torch.bfloat16, "meta")
    output, *gradients = both_ways(rows._in_one_kernel, given)
    assert output.shape == (48, 64) and [g.shape for g in gradients] == [x.shape for x in given]


@pytest.mark.parametrize(
    "function, right",
    [(as_documented, True), (mirrored, False), (without_a_gradient, False), (rows.varlen_attn, False)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_kernel_for_rows_is_taken_only_if_it_was_seen_to_be_right(kernel, monkeypatch, function, right, dtype):
    calls = []
    kernel(lambda *given, **named: calls.append(1) or function(*given, **named))
    given = inputs(dtype)
    rows.attended(*given, rows.Row(LENGTHS))
    assert not calls, "it was not tried yet"
    assert (rows.try_kernel(torch.device("cpu"), dtype, 4, 16) == rows.TAKEN) is right
    assert (rows.try_kernel(torch.device("cpu"), dtype, 4, 16) == rows.TAKEN) is right and len(calls) == 1, "once is enough"
    rows.attended(*given, rows.Row(LENGTHS))
    assert len(calls) == 1 + right


@pytest.mark.parametrize("dtype, taken", [(torch.bfloat16, False), (torch.float32, False), (torch.float32, True)])
def test_examples_that_do_not_fill_the_row_are_refused_whichever_way(kernel, dtype, taken):
    kernel(as_documented)
    if taken:
        rows.try_kernel(torch.device("cpu"), dtype, 4, 16)
    for lengths in ([7, 1, 39], [7, 1, 41]):
        with pytest.raises(ValueError, match="48"):
            rows.attended(*inputs(dtype), rows.Row(lengths))


def test_a_try_that_finds_no_memory_is_made_again(kernel):
    def short(*given, **named):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    kernel(short)
    with pytest.raises(torch.OutOfMemoryError):
        rows.try_kernel(torch.device("cpu"), torch.float32, 4, 16)
    kernel(as_documented)
    assert rows.try_kernel(torch.device("cpu"), torch.float32, 4, 16) == rows.TAKEN


ON_A_GPU = """
import torch
from test_rows import as_documented
from langlearn import config, examples, model, objective, rows

calls = []

def counted(*given, **named):
    calls.append(1)
    return as_documented(*given, **named)

def losses(base):
    step = [examples.Example(tuple(range(3, 3 + n)), 2) for n in (9, 30, 5)]
    [batch] = examples.micro_batches(step, 100, packed=True, pad_id=0)
    batch = batch.to("cuda")
    with objective.packed(batch):
        loss = objective.answer_loss(base, batch)
        loss.backward()
    return [loss.item(), *(p.grad.float().norm().item() for p in base.parameters() if p.requires_grad)]

def made():
    torch.manual_seed(0)
    base = model.load_base(config.Model(base={base!r}, quantization="none"), "cuda", torch.bfloat16)
    model.recompute(base, 1)
    return base.train().requires_grad_(True)

alone = losses(made())  # the try fails: there is no kernel
rows._refusals.clear()
rows.varlen_attn = counted
whole = losses(made())
assert len(calls) == 1 + 3, calls  # the try; two layers, one of them once more
for one, other in zip(alone, whole, strict=True):
    assert abs(one - other) <= 0.02 * abs(one), (one, other)
"""


def test_on_a_gpu_rows_attend_in_one_kernel_where_it_is_right(tiny_falcon):
    tests = config.ROOT / "tests"
    paths = os.pathsep.join(map(str, (tests / "gpu", tests, config.ROOT)))
    environment = os.environ | {"GPUS": "1 12 8.6", "PYTHONPATH": paths}
    code = ON_A_GPU.replace("{base!r}", repr(str(tiny_falcon)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr


def test_attention_that_prepares_a_plan_for_each_length_is_never_taken():
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled() and torch.backends.cuda.mem_efficient_sdp_enabled()


@pytest.mark.parametrize("block", [rows.BLOCK, 16, 3])
def test_a_row_on_a_cpu_attends_as_its_examples_do_alone(block, monkeypatch):
    monkeypatch.setattr(rows, "BLOCK", block)
    lengths, size = [7, 1, 40], 16
    assert len(rows._blocks(lengths)) == {16: 4, 3: 16}.get(block, 3)
    query = torch.randn(48, 4, size, dtype=torch.float64, requires_grad=True)
    key, value = (torch.randn(48, size, dtype=torch.float64, requires_grad=True) for _ in range(2))
    expected = torch.cat([
        F.scaled_dot_product_attention(
            q.transpose(0, 1), k.expand(4, -1, -1), v.expand(4, -1, -1), is_causal=True
        ).transpose(0, 1).flatten(1)
        for q, k, v in zip(query.split(lengths), key.split(lengths), value.split(lengths), strict=True)
    ])  # fmt: skip
    found = rows.Scored.apply(query, key, value, rows._blocks(lengths))
    torch.testing.assert_close(found, expected)
    towards = torch.randn_like(expected)
    for one, other in zip(
        *(torch.autograd.grad(x, (query, key, value), towards) for x in (found, expected)), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_no_scores_are_computed_for_keys_behind_a_block():
    for length in (1, 100, 191, 192, 288, 700, 1024):
        blocks = rows._blocks([13, length])
        assert blocks[0] == (0, 0, 13) and blocks[1][1] == 13 and blocks[-1][2] == 13 + length
        assert all(end - start <= 1.5 * rows.BLOCK for _, start, end in blocks)
        assert all(end == start for (_, _, end), (_, start, _) in zip(blocks, blocks[1:], strict=False))
    assert rows.scores_kept(100) == 100 and rows.scores_kept(4 * rows.BLOCK) == 5 / 8 * 4 * rows.BLOCK


def test_blocks_in_which_nothing_is_asked_are_left_out():
    lengths = [300, 40, 300]
    asked = torch.tensor([128, 299, 340, 600, 600])  # the example in the middle is asked for nothing
    assert rows._blocks(lengths, asked) == [(0, 128, 300), (340, 340, 468), (340, 468, 640)]


def test_examples_of_all_lengths_share_the_shapes_of_their_blocks_but_for_the_last():
    """A CPU prepares a kernel for each shape: of equal blocks, each length would bring shapes of its own."""
    shapes = [[(end - start, end) for _, start, end in rows._blocks([length])] for length in range(16, 1025, 16)]
    full = shapes[-1][:-1]
    assert full == [(rows.BLOCK, n * rows.BLOCK) for n in range(1, 1024 // rows.BLOCK)]
    assert all(blocks[:-1] == full[: len(blocks) - 1] for blocks in shapes)
