"""From text to typed settings: YAML files and command lines, checked against dataclasses.

Whatever is wrong is said in one line with where it stands, what it is and what it must be. YAML reads `on` as true
and `2e-4` as text; both are taken as they are meant.
"""

import argparse
import ast
import difflib
import inspect
import math
import textwrap
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from langlearn.errors import UserError


@dataclass(frozen=True)
class Setting:
    """One declared setting: its type, its default, and the docstring below it."""

    hint: Any
    default: Any
    doc: str


def declared(cls: type, prefix: str = "") -> dict[str, Setting]:
    """The settings of a dataclass by dotted name, its sections opened; a field that is not in __init__ is none."""
    docs, found = _docstrings(cls), {}
    for each in fields(cls):
        if is_dataclass(each.type):
            found |= declared(each.type, f"{prefix}{each.name}.")
        elif each.init:
            default = each.default if each.default_factory is MISSING else each.default_factory()
            found[prefix + each.name] = Setting(each.type, default, docs.get(each.name, ""))
    return found


def build(cls: type, values: dict[str, Any]) -> Any:
    """A `cls` from values by dotted name; what is absent takes its default."""
    made = {}
    for each in fields(cls):
        if is_dataclass(each.type):
            start = each.name + "."
            inner = {name[len(start) :]: value for name, value in values.items() if name.startswith(start)}
            made[each.name] = build(each.type, inner)
        elif each.name in values:
            made[each.name] = values[each.name]
    return cls(**made)


def is_number(hint: Any) -> bool:
    return {int, float} & {hint, *get_args(hint)} != set()


def read(path: Path, known: dict[str, Setting]) -> tuple[dict[str, Any], dict[str, dict[str, Any]] | None]:
    """(settings, settings of each profile, or None where the file has no profiles) by dotted name."""
    content = _yaml(path)
    profiles = content.pop("profiles", None)
    outside = _checked(content, known, str(path))
    if profiles is None:
        return outside, None
    if not isinstance(profiles, dict):
        raise UserError(f"{path}: profiles is {_short(profiles)}: it must hold a section for each profile")
    inner = {name: setting for name, setting in known.items() if name != "profile"}
    return outside, {str(n): _checked(inside, inner, f"{path} profiles.{n}") for n, inside in profiles.items()}


def command_line(argv: list[str], flags: dict[str, Setting], known: dict[str, Setting]) -> tuple[dict[str, Any], bool]:
    """(what was given by name, whether help was asked for)."""
    everything = {"config": Setting(str, None, ""), **flags, **known}
    parser = _parser(flags, known)
    given, rest = parser.parse_known_args([_underscored(argument) for argument in argv])
    if rest and rest[0].startswith("-"):
        name = rest[0].partition("=")[0]
        near = nearest(name.lstrip("-"), everything) or "; --help lists the valid ones"
        raise UserError(f"unknown option '{name}'{near}")
    if rest:
        raise UserError(f"unexpected '{_cut(rest[0])}': give settings as --name value, and a text in quotes")
    texts = vars(given)
    help_wanted = texts.pop("help", False)
    values = {}
    for name, text in texts.items():
        hint = everything[name].hint
        values[name] = _typed(hint, _meant(hint, text), f"--{name}")
    return values, help_wanted


def nearest(name: str, valid: Iterable[str]) -> str:
    """`; did you mean '…'?`, or nothing where no valid name is near; the part after the dot may be enough."""
    valid = list(valid)
    by_last = {each.rpartition(".")[2]: each for each in valid}
    last = difflib.get_close_matches(name.rpartition(".")[2], by_last, 1, 0.6)
    near = difflib.get_close_matches(name, valid, 1, 0.6) or [by_last[each] for each in last]
    return f"; did you mean '{near[0]}'?" if near else ""


def help_text(
    prog: str | None, about: str, flags: dict[str, Setting], known: dict[str, Setting], sections: dict[str, str],
    outside: dict[str, Any], profiles: dict[str, dict[str, Any]],
) -> str:  # fmt: skip
    """What `--help` prints: each setting with the value it has now, or has by profile."""

    def now(name: str, setting: Setting) -> str:
        by_profile = [f"{each} {_plain(inside[name])}" for each, inside in profiles.items() if name in inside]
        if by_profile and name not in outside:
            return f"by profile: {', '.join(by_profile)}"
        return f"now: {_plain(outside.get(name, setting.default))}"

    shown = {name: f"{each.doc} [{now(name, each)}]" for name, each in known.items()}
    return _parser(flags, known, prog, about, sections, shown).format_help().rstrip()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(message.replace("argument ", "", 1).replace("expected one argument", "give it a value"))


class _Help(argparse.HelpFormatter):
    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


def _parser(flags, known, prog=None, about=None, sections=None, shown=None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog, description=about, usage="%(prog)s [--setting value ...]", add_help=False, allow_abbrev=False,
        argument_default=argparse.SUPPRESS, formatter_class=_Help,
    )  # fmt: skip
    groups = {"": parser.add_argument_group("options")}
    for name, text in (sections or {}).items():
        groups[name] = parser.add_argument_group(f"{name} ({text})")
    groups[""].add_argument("-h", "--help", action="store_true", help="show this and stop")
    groups[""].add_argument("--debug", action="store_true", help="show tracebacks")
    groups[""].add_argument("--config", metavar="FILE", help="settings file [now: config.yaml]")
    for name, setting in (flags | known).items():
        group = groups.get(name.partition(".")[0] if "." in name else "", groups[""])
        bare = {"nargs": "?", "const": "true"} if setting.hint is bool else {}
        text = (shown or {}).get(name, setting.doc).replace("%", "%%")
        group.add_argument(f"--{name}", metavar=_metavar(setting.hint), help=text, dest=name, **bare)
    return parser


def _underscored(argument: str) -> str:
    """--no-train as --no_train: the names are those of the settings."""
    name, equals, value = argument.partition("=")
    return name.replace("-", "_").replace("__", "--", 1) + equals + value if name.startswith("--") else argument


def _meant(hint: Any, text: str) -> Any:
    """What a command-line text stands for: text stays as it was typed, anything else reads as YAML."""
    if str in (hint, *get_args(hint)) and get_origin(hint) is not list:
        return None if text == "null" and hint is not str else text
    try:
        return text if get_origin(hint) is Literal else yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _checked(tree: Any, known: dict[str, Setting], where: str) -> dict[str, Any]:
    sections = {name.partition(".")[0] for name in known if "." in name}
    if not isinstance(tree, dict | None):
        raise UserError(f"{where} is {_short(tree)}: it must hold `name: value` settings")
    flat = {}
    for key, value in (tree or {}).items():
        if key not in sections:
            flat[str(key)] = value
        elif isinstance(value, dict | None):
            flat |= {f"{key}.{inner}": v for inner, v in (value or {}).items()}
        else:
            raise UserError(f"{where}: {key} is {_short(value)}: it must hold `name: value` settings")
    for name in flat:
        if name not in known:
            raise UserError(f"{where}: unknown setting '{name}'{nearest(name, known)}")
    return {name: _typed(known[name].hint, value, f"{where}: {name}") for name, value in flat.items()}


def _typed(hint: Any, value: Any, where: str) -> Any:
    """`value` as its type wants it. Raises UserError with what it must be."""
    optional = type(None) in get_args(hint)
    kind = get_args(hint)[0] if optional else hint
    if optional and value is None:
        return None
    if get_origin(kind) is Literal:
        value = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
        good = value in get_args(kind)
    elif get_origin(kind) is list:
        good = isinstance(value, list) and all(isinstance(each, str) for each in value)
    elif kind is float:
        number = _number(value)
        good = math.isfinite(number)
        value = number if good else value
    else:
        good = type(value) is kind
    if not good:
        raise UserError(f"{where} is {_short(value)}: it must be {_expected(kind)}{' or null' if optional else ''}")
    return value


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        return math.nan


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a text (in quotes)",
        list[str]: "a list of texts, such as [a, b]",
    }[kind]


def _metavar(hint: Any) -> str:
    kind = get_args(hint)[0] if type(None) in get_args(hint) else hint
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    return {int: "N", float: "X", bool: "true|false", str: "TEXT", list[str]: "[A, B]"}[kind]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} texts"
    return {"None": "null", "True": "true", "False": "false", "": "empty"}.get(str(value), str(value))


def _short(value: Any) -> str:
    return _cut(repr(value) if value is not None else "null")


def _cut(text: str) -> str:
    return textwrap.shorten(text, 60, placeholder="...")


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping: YAML would silently lose the first."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"'{key.value}' stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"config file {path} does not exist: pass --config FILE or restore config.yaml") from None
    except UnicodeDecodeError:
        raise UserError(f"config file {path} is not UTF-8 text: save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise UserError(f"config file {path}{where} is not valid YAML: {_cut(problem or str(error))}") from None
    if not isinstance(content, dict | None):
        raise UserError(f"config file {path} is {_short(content)}: it must hold `name: value` settings")
    return content or {}


def _docstrings(cls: type) -> dict[str, str]:
    """The text below each field, which Python itself drops."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
    return {
        line.target.id: " ".join(after.value.value.split())
        for line, after in zip(body, body[1:])
        if isinstance(line, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }
