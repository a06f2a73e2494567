"""Text that others wrote, made harmless: for the terminal it is printed on, and for the prompt it is quoted in.

Retrieved text is data. Inside a prompt it must not look like the prompt's own structure or like a tokenizer's special
token, and sentences that command a language model are left out. Nobody can list every such command: what also
protects is that citations, doses and support are checked afterwards without a model.
"""

import re
from collections.abc import Sequence

from langlearn.clinical.english import sentences

_ESCAPES = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # OSC: title, clipboard, hyperlink
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colour, cursor, erase
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # C0 and C1 but tab and newline
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # bidirectional marks, embeddings, overrides, isolates
    r"|[\u200b\u2060-\u2064\u206a-\u206f\ufeff\u180e\ufff9-\ufffb\U000e0000-\U000e007f]"  # invisible; hidden tags
)
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def strip_terminal(text: str) -> str:
    """Nothing that moves a cursor, recolours, retitles, hides or reorders text; newlines and tabs stay.

    Idempotent: after whole sequences, every control character that is left goes too, so that none can form anew.
    """
    text = text.replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _ESCAPES.sub("", text)))


_INVISIBLE = re.compile(r"[\u00ad\u034f\u200b-\u200d\u2060\ufe00-\ufe0f]")
_MARKERS = (
    (re.compile(r"\b(question|answer|similar cases)\s*[:：]", re.I), r"\1 -"),
    (re.compile(r"\[\s*(\d+(?:\s*[,–-]\s*\d+)*)\s*\]"), r"(\1)"),
)
# Control tokens of common models: <|endoftext|>, >>ANSWER<<, </s>, <start_of_turn>, [INST], <<SYS>>.
_CONTROL_TOKENS = (
    (re.compile(r"<{1,4}\|{1,4}\s{0,4}([\w\s/.-]{1,40}?)\s{0,4}\|{1,4}>{1,4}"), r"\1"),
    (re.compile(r">{2,4}(/?[A-Za-z]\w{0,40})<{2,4}|<{2,4}(/?[A-Za-z]\w{0,40})>{2,4}"), r"\1\2"),
    (re.compile(r"</?(s|pad|unk|bos|eos|sep|cls|mask|(?:start|end)_of_\w+|im_(?:start|end))>", re.I), r"\1"),
    (re.compile(r"\[/?(INST|PAD|UNK|CLS|SEP|MASK|BOS|EOS)\]"), r"\1"),
)
# A command to a model ("Ignore the instructions above and …") begins a sentence or a clause; a report about a patient
# ("She was told to ignore previous instructions") does not.
_COMMAND = re.compile(
    r"(?:^|[]):;,-]\s)"
    r"(?:(?:important|note|attention|system|assistant|user|please|now|also|but|and|then|from now on)[\s,:!-]+)*"
    r"(?:"
    r"(?:ignore|disregard|forget|override|bypass)\b.{0,40}"
    r"\b(?:instructions?|prompts?|context|rules|guidelines|cases above|everything above)"
    r"|you are (?:now )?(?:an? |the |in )?(?:\w+ )?(?:ai|assistant|chatbot|language model|dan|developer mode)\b"
    r"|(?:your|the) (?:new|real|system|hidden) (?:instructions?|prompts?|task)\b"
    r"|(?:answer|reply|respond|say|output|print|write|repeat) (?:only|exactly|always|just|with only|nothing but)\b"
    r"|(?:always|only) (?:answer|reply|respond|say|recommend)\b"
    r"|(?:do not|don't|never) (?:mention|reveal|cite|follow)\b.{0,30}\b(?:instructions?|prompts?|cases?|this)"
    r")",
    re.I,
)


def break_special_tokens(text: str, special_tokens: Sequence[str] = ()) -> str:
    """No control token of a common model, nor any of `special_tokens`, is left whole."""
    before = None
    while text != before:  # what a removal brings together must go as well
        before, text = text, _replaced(_INVISIBLE.sub("", strip_terminal(text)), _CONTROL_TOKENS)
    for token in special_tokens:
        if len(token) > 1 and not token.isspace():
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def neutralise(text: str, special_tokens: Sequence[str] = ()) -> str:
    """Text of a case as it may stand in a prompt: no structure of ours, no special tokens, no commands to a model."""
    before = None
    while text != before:
        before, text = text, _replaced(break_special_tokens(text, special_tokens), _MARKERS)
        text = " ".join(sentence for sentence in sentences(text) if not _COMMAND.search(sentence))
    return text


def _replaced(text: str, replacements: tuple[tuple[re.Pattern, str], ...]) -> str:
    for pattern, replacement in replacements:
        text = pattern.sub(replacement, text)
    return text
