"""What the settings promise: config.yaml lists them all; whatever is wrong is named, with where and what it must be."""

import subprocess
import sys
from dataclasses import dataclass, fields

import pytest
import yaml

from langlearn import config, settings
from langlearn.errors import UserError

FILE = config.ROOT / "config.yaml"


@dataclass
class Flags:
    """this run"""

    plan: bool = False
    """Print the plan."""
    query: str | None = None
    """Ask one question."""
    skip_weights: bool = False
    """Leave out the weights."""


@pytest.fixture
def written(tmp_path):
    """Writes a settings file and returns the arguments that read it."""

    def write(text: str) -> list[str]:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return ["--config", str(path)]

    return write


def refusal(argv: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        config.load(argv, Flags)
    assert len(str(caught.value).splitlines()) <= 2
    return str(caught.value)


def listed() -> tuple[dict, dict]:
    """(settings outside the profiles, settings of each profile) of config.yaml, by dotted name."""
    return settings.read(FILE, settings.declared(config.Config))


def test_config_yaml_lists_every_setting_once():
    outside, profiles = listed()
    for inside in profiles.values():
        assert set(inside) == set(next(iter(profiles.values()))), "every profile sets the same settings"
        assert not set(inside) & set(outside)
        assert set(inside) | set(outside) == set(settings.declared(config.Config))


def test_config_yaml_holds_the_defaults():
    for name, value in listed()[0].items():
        assert value == settings.declared(config.Config)[name].default, name


def test_every_setting_in_config_yaml_is_explained_by_the_comment_above_it():
    known, section, comment, seen = settings.declared(config.Config), [], "", set()
    for line in FILE.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment = f"{comment} {text[1:].strip()}"
        elif ":" in text and not text.startswith("- "):
            depth = (len(line) - len(line.lstrip())) // 2
            section = [*section[:depth], text.partition(":")[0]]
            inner = section[2:] if section[0] == "profiles" else section
            name = ".".join(inner)
            if name in known:
                assert comment.strip().endswith(known[name].doc), f"{name}: {comment!r} is not {known[name].doc!r}"
                seen.add(name)
            comment = ""
        elif not text:
            comment = ""
    assert seen == set(known)


def test_every_numeric_setting_has_a_range():
    numeric = {n for n, s in settings.declared(config.Config).items() if settings.is_number(s.hint)}
    assert numeric <= set(config.RANGES)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_a_generator_cannot_take_is_refused(seed):
    for name in ("training.seed", "data.seed"):
        with pytest.raises(UserError, match=f"{name} is {seed}: .*from 0 to 4294967295"):
            config.load([f"--{name}", str(seed)])


def test_precedence_is_profile_then_file_then_command_line(written):
    argv = written(
        "profile: small\nlogs: {folder: here}\n"
        "profiles: {small: {adapter: {r: 3}, training: {learning_rate: 0.5, batch_size: 2}}}"
    )
    made, _ = config.load([*argv, "--training.batch_size", "5"])
    assert (made.adapter.r, made.training.learning_rate, made.training.batch_size) == (3, 0.5, 5)
    assert (made.logs.folder, made.adapter.alpha) == ("here", 32)
    assert (made.profile, made.profile_reason) == ("small", "asked for")


def test_a_file_without_profiles_wins_over_the_built_in_profile(written):
    made, _ = config.load([*written("model: {base: mine}"), "--profile", "tiny"])
    assert made.model.base == "mine"
    assert made.training.num_train_epochs == listed()[1]["tiny"]["training.num_train_epochs"]


def test_a_setting_inside_and_outside_the_profile_is_refused(written):
    message = refusal(written("adapter: {r: 8}\nprofiles: {tiny: {adapter: {r: 4}}}"))
    assert "adapter.r" in message and "profiles.tiny" in message


def test_flags_work_bare_and_with_a_value():
    assert config.load(["--plan", "--profile", "tiny"], Flags)[1] == Flags(plan=True)
    assert config.load(["--plan", "true", "--skip-weights", "--profile=tiny"], Flags)[1] == Flags(True, None, True)
    assert config.load(["--plan=false", "--profile=tiny"], Flags)[1] == Flags(plan=False)
    assert "--plan is 'maybe'" in refusal(["--plan", "maybe"])


def test_a_text_arrives_as_it_was_typed():
    for text in ("is 5: 3?", "- a list?", '"quoted"', "yes", "1e5", "{a: b}", "two\nlines", "", "100%"):
        assert config.load(["--query", text, "--profile=tiny"], Flags)[1].query == text
    assert config.load(["--query=--dashes", "--profile=tiny"], Flags)[1].query == "--dashes"


def test_values_are_read_by_their_type():
    argv = ["--profile=tiny", "--training.learning_rate", "2e-5", "--answering.min_similarity", "-0.5"]
    argv += ["--adapter.target_modules", "[dense, query_key_value]", "--training.activation_checkpointing", "on"]
    made, _ = config.load([*argv, "--training.num-train-epochs", "3", "--model.revision", "null"])
    assert made.training.learning_rate == 2e-5 and made.answering.min_similarity == -0.5
    assert made.adapter.target_modules == ["dense", "query_key_value"]
    assert made.training.activation_checkpointing == "on" and made.model.revision is None
    assert made.training.num_train_epochs == 3.0 and isinstance(made.training.num_train_epochs, float)


def test_yaml_traps_are_read_as_they_are_meant(written):
    text = "training: {activation_checkpointing: off, learning_rate: 3e-4}\nlogs:\n"
    made, _ = config.load([*written(text), "--profile=tiny"])
    assert made.training.activation_checkpointing == "off" and made.training.learning_rate == 3e-4


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["--training.num_train_epoch", "3"], ["--training.num_train_epoch'", "'training.num_train_epochs'"]),
        (["--learning_rate=3"], ["--learning_rate", "'training.learning_rate'"]),
        (["--plam"], ["--plam", "'plan'"]),
        (["--zzzzzz"], ["--zzzzzz", "--help"]),
        (["-x"], ["-x", "--help"]),
        (["stray"], ["'stray'", "--name value"]),
        (["--query"], ["--query", "value"]),
        (["--query", "--plan"], ["--query", "value"]),
        (["--training.batch_size", "many"], ["--training.batch_size is 'many'", "a whole number"]),
        (["--training.batch_size", "2.5"], ["2.5", "a whole number"]),
        (["--training.learning_rate", "nan"], ["nan", "a number"]),
        (["--training.tokens_per_micro_batch", "x"], ["a whole number or null"]),
        (["--model.quantization", "int8"], ["'int8'", "one of nf4, none"]),
        (["--adapter.target_modules", "dense"], ["a list of texts"]),
        (["--profile", "large"], ["'large'", "auto, falcon-7b, tiny"]),
        (["--profile=tiny", "--training.batch_size", "0"], ["training.batch_size is 0", "1 or more"]),
        (["--profile=tiny", "--data.train_share", "1"], ["data.train_share", "between 0 and 1"]),
        (["--config", "absent.yaml"], ["absent.yaml", "does not exist"]),
    ],
)
def test_a_wrong_command_line_is_refused_with_what_to_do(argv, parts):
    message = refusal(argv)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("training: {num_train_epoch: 3}", ["'training.num_train_epoch'", "'training.num_train_epochs'"]),
        ("trainings: {batch_size: 3}", ["'trainings'"]),
        ("learning_rate: 3", ["'learning_rate'", "'training.learning_rate'"]),
        ("training: {batch_size: many}", ["training.batch_size is 'many'", "a whole number"]),
        ("training: {batch_size: true}", ["training.batch_size is True", "a whole number"]),
        ("training: {learning_rate: }", ["training.learning_rate is null", "a number"]),
        ("training: {learning_rate: .inf}", ["training.learning_rate", "a number"]),
        ("model: {revision: 12345}", ["model.revision is 12345", "in quotes"]),
        ("answering: {history: 1}", ["answering.history is 1", "true or false"]),
        ("training: 5", ["training is 5", "name: value"]),
        ("- a\n- b", ["name: value"]),
        ("training: {seed: 1}\ntraining: {batch_size: 4}", ["line 2", "'training' stands twice"]),
        ("training: {seed: 1", ["line 1", "not valid YAML"]),
        ("profiles: {tiny: {adapter: {rank: 2}}}", ["profiles.tiny", "'adapter.rank'"]),
        ("profiles: {tiny: {profile: other}}", ["profiles.tiny", "'profile'"]),
        ("profiles: 3", ["profiles is 3"]),
    ],
)
def test_a_wrong_settings_file_is_refused_by_file_and_key(written, text, parts):
    argv = written(text)
    message = refusal(argv)
    for part in [argv[1], *parts]:
        assert part in message


def test_a_settings_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"logs: {folder: caf\xe9}")
    assert "not UTF-8" in refusal(["--config", str(path)])


def test_t_of_the_triple_and_a_token_budget_exclude_each_other():
    message = refusal(["--profile=tiny", "--training.per_device_train_batch_size=1",
                       "--training.tokens_per_micro_batch=512"])  # fmt: skip
    assert "keep one" in message


def test_help_names_every_setting_in_80_columns_and_needs_no_torch(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom langlearn import config, errors\n"
        "def main(argv):\n    try:\n        config.load(argv, None, 'script.py')\n"
        "    finally:\n        assert 'torch' not in sys.modules\n"
        "errors.run(main)\n",
        encoding="utf-8",
    )
    environment = {"PYTHONPATH": str(config.ROOT), "COLUMNS": "80", "PATH": ""}
    shown = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, env=environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    for name in settings.declared(config.Config):
        assert f"--{name}" in shown.stdout
    assert "dataclass" not in shown.stdout and "tiny models/tiny-falcon" in " ".join(shown.stdout.split())

    refused = subprocess.run([sys.executable, script, "--trainin"], capture_output=True, text=True, env=environment)
    assert refused.returncode == 2 and refused.stderr.startswith("error: unknown option '--trainin'")


def test_every_section_has_a_heading():
    sections = [each.name for each in fields(config.Config) if each.name not in ("profile", "profile_reason")]
    assert list(config.ABOUT) == sections


def test_what_run_json_keeps_reads_back_as_the_same_settings(written):
    made, _ = config.load(["--profile", "tiny", "--adapter.r", "5"])
    kept = made.as_dict()
    kept.pop("profile_reason")
    text = yaml.safe_dump({**kept, "profile": "whole", "profiles": {"whole": None}})
    again, _ = config.load(written(text))
    again.profile, again.profile_reason = made.profile, made.profile_reason
    assert again == made


def test_config_yaml_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.load(["--profile", "tiny"])[0].profile == "tiny"


def test_what_the_next_script_needs_of_the_command_line_is_kept():
    flags = ["--profile", "tiny", "--data.cases", "my notes.csv", "--training.output", "a", "--training.seed", "3"]
    made, _ = config.load(flags)
    assert made.asking == " --profile tiny --data.cases 'my notes.csv' --training.output a"
    assert config.load([])[0].asking == ""
