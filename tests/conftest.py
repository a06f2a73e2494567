"""Small real parts that the tests share: a real Falcon, a real tokenizer, a corpus."""

import os
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest  # noqa: E402
import torch  # noqa: E402
from adapters import give_a_voice  # noqa: E402

EOS = "<|endoftext|>"


def save_tokenizer(folder, texts):
    """A byte-level BPE of about 400 entries trained on `texts`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[EOS], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS, bos_token=EOS, model_max_length=2048)
    wrapped.save_pretrained(folder)
    return wrapped


COMPLAINTS = [
    ("a sore throat", "streptococcal pharyngitis", "penicillin and rest"),
    ("a twisted ankle", "lateral ankle sprain", "rest, ice, compression and elevation"),
    ("a burning sensation when passing urine", "urinary tract infection", "nitrofurantoin and fluids"),
    ("wheeze after running", "exercise-induced asthma", "a salbutamol inhaler before sport"),
]


def corpus_rows() -> list[tuple[str, str, str]]:
    """24 cases, four conditions with six presentations each: (Prompt, Completion, condition)."""
    people = [
        "A 20-year-old man",
        "A 35-year-old nurse",
        "A boy of 9",
        "A retired teacher, 71,",
        "A farmer",
        "A runner",
    ]
    rows = []
    for complaint, condition, treatment in COMPLAINTS:
        for number, person in enumerate(people):
            prompt = f"{person} comes on day {number + 1} with {complaint}; pulse {70 + number}/min. What is it?"
            completion = f"The likely diagnosis is {condition}. Treatment is {treatment}."
            rows.append((prompt, completion, condition))
    return rows


@pytest.fixture(scope="session")
def tiny_falcon(tmp_path_factory):
    """Folder of a random multi-query Falcon (2 layers of 64) and its tokenizer, as safetensors."""
    from transformers import FalconConfig, FalconForCausalLM

    folder = tmp_path_factory.mktemp("tiny-falcon")
    tokenizer = save_tokenizer(folder, [text for row in corpus_rows() for text in row])
    torch.manual_seed(0)
    config = FalconConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, multi_query=True,
        parallel_attn=True, new_decoder_architecture=False, bias=False, alibi=False, max_position_embeddings=2048,
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    FalconForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def publish_adapter():
    """publish_adapter(settings, std): into `training.output` an adapter of random weights that change what the base
    says, as if a run had ended there."""

    def publish(settings, std: float) -> None:
        from langlearn import model, record
        from langlearn.config import Adapter

        base = model.load_base(settings.model, "cpu", torch.float32)
        tuned = model.add_adapter(base, Adapter(r=4), seed=0)
        give_a_voice(tuned, std)
        run = {
            "base_model": model.base_identity(settings.model), "split": {"train": 21, "held_out": 3},
            "data": {"file": settings.data.cases}, "evaluation": {"before": 2.0, "after": 1.0}, "epochs": 1, "steps": 7,
            "tokens": 1, "seconds": 1, "final": {"loss": 1.0, "grad_norm": 1.0},
        }  # fmt: skip
        record.publish(Path(settings.training.output), tuned, model.load_tokenizer(settings.model), run)

    return publish


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory):
    """CSV file with `corpus_rows()`."""
    import csv

    path = tmp_path_factory.mktemp("corpus") / "cases.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Prompt", "Completion", "condition"])
        writer.writerows(corpus_rows())
    return path


@pytest.fixture(scope="session")
def flags(tiny_falcon, tiny_corpus, tmp_path_factory) -> list[str]:
    """The settings of run_query.py over the small parts."""
    folder = tmp_path_factory.mktemp("answers")
    return [
        "--profile", "tiny", "--model.base", str(tiny_falcon), "--data.cases", str(tiny_corpus),
        "--index.folder", str(folder / "index"), "--training.output", str(folder / "adapter"),
        "--answering.max_new_tokens", "12", "--answering.min_similarity", "0.3", "--answering.context_tokens", "1200",
        "--answering.k", "3",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def answerer(flags):
    """What run_query.py answers with under `flags`; their index is there with it."""
    import run_query
    from langlearn import config

    settings, _ = config.load(flags)
    return run_query.open_answerer(settings, False, lambda *_: None)


@pytest.fixture
def plain_environment(monkeypatch):
    """As on a machine without a GPU, where nobody asked for ranks."""
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "LANG_LEARN_RANKS", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def weightless(tiny_falcon, tmp_path):
    """The small Falcon's folder without its weights: whoever loads them fails."""
    folder = tmp_path / "weightless"
    folder.mkdir()
    for file in tiny_falcon.iterdir():
        if file.suffix == ".json":
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def situation(weightless, tiny_corpus):
    """Makes (config, the model's config, lesson, plan) from training settings, as the script does."""
    from transformers import AutoTokenizer

    from langlearn import cases, config, finetuning, hardware, model

    def make(**settings):
        made = config.Config(model=config.Model(base=str(weightless)), profile="tiny")
        made.profile_reason, made.data.cases = "asked for", str(tiny_corpus)
        settings = {"batch_size": 4, "num_train_epochs": 2.0, "max_length": 256, **settings}
        made.training = replace(made.training, **settings)
        corpus = cases.read(made.data)
        train, held_out = cases.split(corpus, made.data.train_share, made.data.seed)
        tokenizer, model_config = AutoTokenizer.from_pretrained(weightless), model.load_config(made.model)
        lesson = finetuning.prepare(made, corpus, train, held_out, tokenizer)
        plan = hardware.plan(made, hardware.describe(), model_config, lesson.lengths, lesson.answers)
        return made, model_config, lesson, plan

    return make


@pytest.fixture
def make_run(tiny_falcon, tiny_corpus, tmp_path):
    """Makes the run of a small Falcon over `tiny_corpus`, from training settings."""
    from transformers import AutoTokenizer

    from langlearn import computing, launch, model, training
    from langlearn.cases import read
    from langlearn.config import Adapter, Data, Model, Training
    from langlearn.examples import Curriculum, Encoder
    from langlearn.trainlog import TrainLog

    def make(budget=4096, workers=1, dropout=0.0, **settings):
        settings = {"batch_size": 8, "num_train_epochs": 2, "learning_rate": 2e-3, "retrieval_share": 0.0, **settings}
        chosen = Training(**settings)
        base = model.load_base(Model(base=str(tiny_falcon)), "cpu", torch.float32)
        tuned = model.add_adapter(base, Adapter(dropout=dropout), seed=0)
        encoder = Encoder(AutoTokenizer.from_pretrained(tiny_falcon), 256)
        cases = read(Data(cases=str(tiny_corpus))).cases
        setup = computing.Setup(torch.device("cpu"), torch.float32, True, budget, "adamw", workers=workers)
        return training.Run(
            tuned, Curriculum(cases[:20], [], encoder, chosen, 0), [encoder.example(c) for c in cases[20:]], chosen,
            setup, launch.init(), TrainLog(tmp_path / "logs"), tmp_path / "checkpoints", {"seed": 1},
        )  # fmt: skip

    return make
