"""The emergency rules on written questions: what do they miss, where do they cry wolf?

    python benchmarks/emergencies.py [--questions benchmarks/emergency_questions_1.csv]

The file has columns question, kind and sort (emergency, near miss or ordinary). Of the emergencies it prints the share
with any notice and with one of the expected kind, of the others the share with a false alarm, each with Wilson's 95 %
interval, then every miss and false alarm. The questions of emergency_questions_1.csv were written unseen by who wrote
the rules, but the rules were widened after their misses had been read: that file is no longer held out, and what it
gives now is how well the rules were mended. emergency_questions_2.csv was written afterwards, unseen; six rules were
mended from it once it had been measured. Only a file that nobody has read while changing a rule measures them.
"""

import argparse
import csv
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from langlearn.measuring.measures import share  # noqa: E402
from langlearn.safety import emergency_notices  # noqa: E402

QUESTIONS = Path(__file__).with_name("emergency_questions_1.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, default=QUESTIONS)
    given = parser.parse_args()

    with given.questions.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["raised"] = [notice.kind for notice in emergency_notices(row["question"])]
    emergencies = [row for row in rows if row["kind"]]
    others = [row for row in rows if not row["kind"]]

    report("emergencies, any notice", [bool(row["raised"]) for row in emergencies])
    report("emergencies, expected kind", [row["kind"] in row["raised"] for row in emergencies])
    for sort in dict.fromkeys(row["sort"] for row in others):
        report(f"false alarms, {sort}", [bool(row["raised"]) for row in others if row["sort"] == sort])
    report("false alarms, all", [bool(row["raised"]) for row in others])

    listed("No notice", [row for row in emergencies if not row["raised"]])
    listed("Another kind only", [row for row in emergencies if row["raised"] and row["kind"] not in row["raised"]])
    listed("False alarms", [row for row in others if row["raised"]])


def report(name: str, yes: list[bool]) -> None:
    measure = share(yes)
    if measure.n:
        print(f"{name:28}{sum(yes):4}/{measure.n:<4} {measure.value:6.1%}  [{measure.low:.1%}, {measure.high:.1%}]")


def listed(title: str, rows: list[dict]) -> None:
    print(f"\n{title}: {len(rows)}")
    for row in rows:
        tags = f"[{row['kind'] or row['sort']}{' -> ' + ', '.join(row['raised']) if row['raised'] else ''}]"
        print(textwrap.fill(f"{tags} {row['question']}", 100, initial_indent="- ", subsequent_indent="  "))


if __name__ == "__main__":
    main()
