"""The plan for machines that are not here: the Hardware dataclass stands for any card, the model is only a config."""

import json
from dataclasses import replace

import pytest
import torch
from cards import A100, CUDA_12_6, CUDA_13, GIB, GTX_1650, H200, P40, RTX_3060, TITAN_RTX, computer

from langlearn import config, fitting, hardware, launch, memory
from langlearn.errors import UserError

pytestmark = pytest.mark.usefixtures("plain_environment")
LENGTHS = [250 + 37 * n % 700 for n in range(1271)]  # 250 to 949 tokens, as with retrieved cases in the prompt


def falcon(layers=32, hidden=4544, heads=71, vocabulary=65024, **changes):
    from transformers import FalconConfig

    shape = dict(multi_query=True, parallel_attn=True, new_decoder_architecture=False, bias=False, alibi=False)
    return FalconConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        **(shape | changes),
    )  # fmt: skip


TINY = dict(layers=4, hidden=128, heads=2, vocabulary=512)


def settings(**overrides):
    made = config.Config(model=config.Model(base="tiiuae/falcon-7b"), profile="falcon-7b")
    made.profile_reason = "asked for"
    for name, value in overrides.items():
        section, _, key = name.partition("__")
        setattr(getattr(made, section), key, value)
    return made


def plan(machine_, model_config=None, lengths=LENGTHS, **overrides):
    return hardware.plan(settings(**overrides), machine_, model_config or falcon(), lengths)


def refusal(*arguments, **overrides) -> str:
    with pytest.raises(UserError) as caught:
        plan(*arguments, **overrides)
    assert len(str(caught.value).splitlines()) <= 2
    return str(caught.value)


def why(made, choice) -> str:
    return next(reason for name, _, reason in made.reasons if name == choice)


@pytest.mark.parametrize("size", [11.2, 11.76, 12])
@pytest.mark.parametrize("cards", [1, 2])
def test_falcon_7b_stays_under_11_gib_on_12_gb_cards_and_computes_nothing_twice(size, cards):
    card = hardware.Gpu("a 12 GB card", (8, 6), int(size * GIB), int(size * GIB))
    made = plan(computer(*[card] * cards))
    assert made.memory.total < 11 * GIB
    assert not made.recomputed_layers and 1536 < made.tokens_per_micro_batch < 2560
    assert made.optimizer == "paged_adamw_8bit" and made.quantization == "nf4" and made.ranks == cards


@pytest.mark.parametrize("size", [22.4, 23.65, 24])
def test_falcon_7b_stays_under_22_gib_on_24_gb_cards_and_computes_nothing_twice(size):
    card = hardware.Gpu("a 24 GB card", (8, 6), int(size * GIB), int(size * GIB))
    made = plan(computer(card))
    assert made.memory.total < 22 * GIB
    assert not made.recomputed_layers and made.tokens_per_micro_batch > 5000


@pytest.mark.parametrize("size, optimizer", [(24, "paged_adamw_8bit"), (39.4, "adamw"), (79.2, "adamw")])
def test_memory_is_saved_in_the_optimizer_where_it_is_short(size, optimizer, monkeypatch):
    large, small = (hardware.Gpu("a card", (8, 0), int(n * GIB), int(n * GIB)) for n in (size, 24))
    assert plan(computer(large)).optimizer == optimizer
    assert plan(computer(large, small)).optimizer == "paged_adamw_8bit"
    assert plan(computer(small), training__optimizer="adamw").optimizer == "adamw"
    with monkeypatch.context() as patch:  # two share the card
        patch.setenv("LANG_LEARN_RANKS", "2")
        assert plan(computer(large)).optimizer == ("adamw" if size > 72 else "paged_adamw_8bit")


def test_ranks_on_hosts_with_different_gpus_decide_alike(monkeypatch):
    ranks, told = launch.Ranks(1, 2, 0, torch.device("cpu")), []
    first, mine = plan(computer(RTX_3060)), plan(computer(A100))
    assert hardware.agreed(mine, launch.alone(ranks.device)) == mine
    monkeypatch.setattr(launch, "broadcast_object", lambda _, value: told.append(value) or dict.fromkeys(value, 7))
    found = hardware.agreed(mine, ranks)
    for name in ("tokens_per_micro_batch", "recomputed_layers", "optimizer"):
        assert getattr(found, name) == 7 and told[0][name] == getattr(mine, name)
    assert first.optimizer != mine.optimizer and first.tokens_per_micro_batch != mine.tokens_per_micro_batch
    assert found.memory == mine.memory and found.hardware == mine.hardware


@pytest.mark.parametrize("longest", [100, 949, 1500])
@pytest.mark.parametrize("batch_size", [4, 32])
def test_a_larger_card_is_never_slower(longest, batch_size):
    lengths, before = [longest * (1 + n % 9) // 9 for n in range(200)], 9.0
    for size in range(8, 100, 2):
        card = hardware.Gpu("a card", (8, 6), size * GIB, size * GIB)
        made = plan(computer(card), lengths=lengths, training__batch_size=batch_size)
        tokens = made.tokens_per_micro_batch
        passes = (2 + made.recomputed_layers / 32) * (1 + fitting.UNPACKING / max(longest, tokens - longest / 3))
        assert passes < 1.02 * before, f"{size} GiB"
        before = min(before, passes)
    assert not made.recomputed_layers and tokens >= min(8192, batch_size * longest // 2)


def test_only_so_many_layers_are_computed_again_as_memory_needs():
    counts = {}
    for size in (6.25, 7, 8, 9):
        card = hardware.Gpu("a card", (8, 6), int(size * GIB), int(size * GIB))
        made = plan(computer(card), training__tokens_per_micro_batch=1000)
        counts[size] = made.recomputed_layers
        text = why(made, "recomputation")
        assert ("more to compute" in text) is bool(made.recomputed_layers)
        if made.recomputed_layers:
            again = replace(memory_step(made), recomputed=made.recomputed_layers - 1)
            assert memory.peak(memory.shape_of(falcon()), again, 1000).total > fitting.SAFE_SHARE * card.free
    assert 32 > counts[6.25] > counts[7] > counts[8] > counts[9] == 0


def test_large_gpus_compute_nothing_twice_in_large_micro_batches():
    for card, tokens in ((A100, 8192), (H200, 16384)):
        made = plan(computer(card), training__batch_size=64)
        assert not made.recomputed_layers and made.tokens_per_micro_batch >= tokens


@pytest.mark.parametrize(
    ("card", "arches", "dtype"),
    [(RTX_3060, CUDA_13, torch.bfloat16), (A100, CUDA_13, torch.bfloat16), (H200, CUDA_13, torch.bfloat16),
     (TITAN_RTX, CUDA_13, torch.float16), (P40, CUDA_12_6, torch.float32)],
)  # fmt: skip
def test_the_dtype_is_what_the_card_computes_well(card, arches, dtype):
    made = plan(computer(card, arches=arches))
    assert made.dtype == dtype
    assert ".".join(map(str, card.capability)) in why(made, "dtype")


def test_unlike_cards_are_planned_for_the_weaker_of_each():
    made = plan(computer(A100, TITAN_RTX))
    assert made.dtype == torch.float16 and made.ranks == 2
    assert made.memory.total < TITAN_RTX.free


def test_a_card_without_kernels_in_this_torch_is_refused_with_what_to_install():
    message = refusal(computer(P40))
    assert "Tesla P40" in message and "6.1" in message and "torch==2.13.0+cu126" in message
    newer = hardware.Gpu("a newer card", (13, 0), 24 * GIB, 24 * GIB)
    assert "newer CUDA" in refusal(computer(newer, arches=CUDA_12_6))
    old = hardware.Gpu("GeForce GTX 980", (5, 2), 24 * GIB, 24 * GIB)
    assert "5.2" in refusal(computer(old, arches=CUDA_12_6))


def test_a_dtype_that_the_device_lacks_is_refused():
    assert "bfloat16" in refusal(computer(TITAN_RTX), model__dtype="bfloat16")
    assert "float16" in refusal(computer(), falcon(**TINY), model__dtype="float16")
    assert plan(computer(RTX_3060), model__dtype="float32", training__max_length=64).dtype == torch.float32


def test_a_cpu_computes_bfloat16_only_where_it_has_a_unit_for_it():
    with_unit, without = plan(computer(), falcon(**TINY)), plan(computer(bf16_unit=None), falcon(**TINY))
    assert (with_unit.dtype, without.dtype) == (torch.bfloat16, torch.float32)
    assert "AMX" in why(with_unit, "dtype")
    for made in (with_unit, without):
        assert (made.tokens_per_micro_batch, made.optimizer, made.ranks) == (2048, "adamw", 1)
        assert not made.recomputed_layers and "nothing is computed twice" in why(made, "recomputation")


def test_a_gpu_that_is_too_small_is_refused_with_what_would_fit():
    message = refusal(computer(GTX_1650))
    assert "GTX 1650 has 3.9 GiB free" in message and "--profile tiny" in message and "a GPU with 8 GiB" in message
    assert "model.quantization: nf4" in refusal(computer(RTX_3060), model__quantization="none")
    tight = hardware.Gpu("a 6 GB card", (8, 6), 6 * GIB, int(5.9 * GIB))
    assert "activation_checkpointing: auto" in refusal(computer(tight), training__activation_checkpointing="off")
    assert "this machine has 2.0 GiB free" in refusal(computer(memory_free=2 * GIB))


def test_what_other_programs_hold_is_left_to_them():
    busy = hardware.Gpu("a busy card", (8, 6), 24 * GIB, 8 * GIB)
    assert plan(computer(busy)).memory.total < 8 * GIB
    assert "8.0 GiB are free" in why(plan(computer(busy)), "peak memory")


def test_the_longest_example_always_fits_the_budget():
    for card in (RTX_3060, TITAN_RTX):
        for longest in (100, 700, 1500, 3000):
            assert plan(computer(card), lengths=[50] * 20 + [longest]).tokens_per_micro_batch >= longest


def test_no_budget_is_larger_than_a_step_or_evaluations_would_take_more_memory_than_training():
    for card in (RTX_3060, H200):
        made = plan(computer(card), lengths=[200] * 40, training__batch_size=8)
        assert 1600 <= made.tokens_per_micro_batch < 1600 + fitting.SMALLEST


def test_no_budget_is_chosen_that_the_fullest_step_could_break():
    shape = memory.shape_of(falcon())
    for card in (RTX_3060, TITAN_RTX, A100):
        made = plan(computer(card))
        fullest = min(made.tokens_per_micro_batch, sum(sorted(LENGTHS)[-16:]))
        assert memory.peak(shape, memory_step(made), fullest).total <= fitting.SAFE_SHARE * card.free


def memory_step(made) -> memory.Step:
    return memory.Step("cuda", made.dtype, "nf4", made.optimizer, 16, 0.05, None, made.recomputed_layers, 1)


def test_what_the_config_asks_for_is_taken():
    made = plan(computer(RTX_3060), training__tokens_per_micro_batch=1000, training__activation_checkpointing="on",
                training__optimizer="adamw")  # fmt: skip
    assert (made.tokens_per_micro_batch, made.recomputed_layers, made.optimizer) == (1000, 32, "adamw")
    one = plan(computer(RTX_3060), lengths=[100, 300, 200], training__per_device_train_batch_size=1)
    two = plan(computer(RTX_3060), lengths=[100, 300, 200], training__per_device_train_batch_size=2)
    assert (one.tokens_per_micro_batch, two.tokens_per_micro_batch) == (300, 500)
    assert "paged_adamw_8bit" in refusal(computer(), falcon(**TINY), training__optimizer="paged_adamw_8bit")


def test_workers_with_so_many_cases_each_take_the_memory_of_all(monkeypatch):
    made = {}
    for workers in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda workers=workers: workers)
        for count in (1, 4):
            made[workers, count] = plan(
                computer(), falcon(**TINY), lengths=[300] * 40, training__per_device_train_batch_size=count
            )
    assert [each.workers for each in made.values()] == [1, 1, 2, 2]
    assert [each.tokens_per_micro_batch for each in made.values()] == [300, 1200, 300, 1200]
    once = made[1, 1].memory.activations
    assert [each.memory.activations / once for each in made.values()] == [1, 4, 2, 8]


def test_ranks_that_share_a_gpu_share_its_memory(monkeypatch):
    monkeypatch.setenv("LANG_LEARN_RANKS", "2")
    made = plan(computer(TITAN_RTX))
    assert made.ranks == 2 and made.memory.total < TITAN_RTX.free / 2


def test_ranks_on_other_hosts_leave_this_gpu_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    assert "23.4 GiB are free" in why(plan(computer(TITAN_RTX)), "peak memory")


def test_a_small_model_gets_a_worker_for_each_core_and_a_large_one_none(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    machine_ = computer()
    assert machine_.cores > 1
    many = plan(machine_, falcon(**TINY))
    assert many.workers == min(machine_.cores, hardware.MOST_WORKERS) and "cases of its own" in why(many, "workers")
    assert plan(replace(machine_, cores=1), falcon(**TINY)).workers == 1
    assert plan(computer(RTX_3060)).workers == plan(computer(RTX_3060), falcon(**TINY)).workers == 1
    assert plan(machine_, falcon(**TINY), training__activation_checkpointing="on").workers == 1
    assert plan(machine_, falcon(**TINY, hidden_dropout=0.1)).workers == 1, "torch's generator is everybody's"
    monkeypatch.setenv("LANG_LEARN_RANKS", str(machine_.cores))
    assert plan(machine_, falcon(**TINY)).workers == 1, "a rank has a core"


def test_workers_take_the_memory_of_what_they_compute_at_once(monkeypatch):
    long = [900] * 40
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    one = plan(computer(), falcon(**TINY), lengths=long)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    two = plan(computer(), falcon(**TINY), lengths=long)
    assert two.memory.activations == 2 * one.memory.activations


def test_other_models_get_a_plan_too():
    from transformers import GPT2Config, LlamaConfig

    for other in (LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4),
                  GPT2Config(n_embd=64, n_layer=2, n_head=4), falcon(**TINY, alibi=True)):  # fmt: skip
        assert plan(computer(), other).attention == "sdpa"
    grouped = falcon(**TINY, new_decoder_architecture=True, num_kv_heads=1)
    assert plan(computer(), grouped).attention == "falcon_fused"


def test_the_table_gives_a_reason_for_each_choice_in_80_columns():
    changes = (("recompute on", "1:02:03", "training.activation_checkpointing: on; " + "words " * 30),)
    for made in (plan(computer(RTX_3060, RTX_3060)), replace(plan(computer(), falcon(**TINY)), changes=changes)):
        text = made.table()
        assert ("What would change the time:\nrecompute on" in text) == bool(made.changes)
        assert max(map(len, text.splitlines())) <= 80
        assert all(reason for _, _, reason in made.reasons)
        for choice in ("profile", "device", "ranks", "dtype", "weights", "attention", "optimizer", "recomputation",
                       "tokens at once", "peak memory"):  # fmt: skip
            assert f"\n{choice} " in f"\n{text}"


def test_the_plan_can_be_kept_in_run_json():
    made = plan(computer(RTX_3060))
    kept = json.loads(json.dumps(made.as_dict() | {"hardware": made.hardware.as_dict()}))
    assert kept["dtype"] == "bfloat16" and kept["predicted_peak_bytes"] == made.memory.allocated
    assert kept["memory"]["total"] == made.memory.total
    assert plan(computer(), falcon(**TINY)).predicted_peak_bytes > memory.PYTHON_LIBRARIES
    assert "predicted_seconds" not in kept  # nothing was timed


@pytest.mark.parametrize(
    ("overrides", "loaded"),
    [
        ({}, True),
        ({"training__retrieval_share": 0, "evaluation__cases": 0}, False),
        ({"training__retrieval_share": 0, "evaluation__cases": 5}, True),
        ({"answering__k": 0, "evaluation__cases": 0}, False),
    ],
)
def test_an_embedder_is_counted_where_one_is_loaded(overrides, loaded):
    made = plan(computer(), falcon(**TINY), **overrides)
    without = plan(computer(), falcon(**TINY), training__retrieval_share=0, evaluation__cases=0)
    assert made.memory.overhead - without.memory.overhead == (memory.EMBEDDER if loaded else 0)


def test_weights_have_copies_only_where_all_of_them_together_stay_small(monkeypatch):
    monkeypatch.setattr(hardware, "suits", lambda device, dtype: device.type == "cpu" and dtype == torch.bfloat16)
    middling = falcon(layers=8, hidden=2048, heads=32)  # 1 GiB in bfloat16
    kinds = {free: plan(computer(memory_free=free * GIB), middling) for free in (5, 20, 60)}
    assert [(each.unpacked, each.reordered) for each in kinds.values()] == [(False, False), (True, False), (True, True)]
    assert kinds[60].memory.weights == pytest.approx(3 * kinds[20].memory.weights, rel=0.01)
    assert not plan(computer(H200), middling).reordered
    assert plan(computer(memory_free=60 * GIB), middling, model__quantization="none").reordered
