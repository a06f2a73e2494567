"""Every prompt in one place. The same template trains and answers: that is the point of it.

    Question: {question}                     Similar cases:
    Answer: {answer}<EOS>                    [1] {prompt}
                                             Answer: {completion}

                                             [2] …

                                             Question: {question}
                                             Answer: {answer}<EOS>

The answer starts with a space after "Answer:", so that prompt and answer tokenise apart as they do together.
"""

from collections.abc import Sequence
from typing import Protocol

NO_EVIDENCE = "No similar case found: nothing in the corpus is close enough to answer from."
DISCLAIMER = "For study and software testing only: not medical advice. In an emergency call your emergency number."
CONTEXT_HEADER = "Similar cases:\n"

# Asked before and after fine-tuning: two that a medical model should leave alone, one that it should know.
DIAGNOSTIC_QUESTIONS = (
    "What is the national bird of the United States?",
    "How do I make a HTML hyperlink?",
    "A 25-year-old woman has lateral ankle pain and swelling after she landed on the outer side of her foot in a "
    "fall during a basketball game. What is the likely diagnosis and how should it be treated?",
)


class CaseText(Protocol):
    """What a prompt needs of a case."""

    prompt: str
    completion: str


def one_line(text: str) -> str:
    """Runs of white space become one space, so that a case cannot break out of its line in a prompt."""
    return " ".join(text.split())


def question_prompt(question: str) -> str:
    return f"Question: {one_line(question)}\nAnswer:"


def context_entry(number: int, case: CaseText) -> str:
    """One retrieved case under the number that citations use."""
    return f"[{number}] {one_line(case.prompt)}\nAnswer: {one_line(case.completion)}\n\n"


def context_prompt(question: str, cases: Sequence[CaseText]) -> str:
    """The question below its retrieved cases; without cases, just the question."""
    if not cases:
        return question_prompt(question)
    entries = "".join(context_entry(number, case) for number, case in enumerate(cases, start=1))
    return CONTEXT_HEADER + entries + question_prompt(question)


def answer_text(completion: str) -> str:
    """What follows a prompt in training, before EOS."""
    return " " + one_line(completion)
