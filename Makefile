# Two commands for a fresh machine: `make demo` and `make test`. Both set up .venv first.
# Needs Python 3.10 to 3.12 (`make PYTHON=python3.12 …` chooses one) and a package index.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
RUN := $(VENV)/bin/python
ANKLE := A 25-year-old woman has lateral ankle pain and swelling after a fall in a basketball game. What is the likely diagnosis and treatment?

.PHONY: demo test setup clean

demo: $(VENV)/.ready
	$(RUN) load_tokenizer.py --profile tiny
	$(RUN) medical_diagnosis_gpu.py --profile tiny
	$(RUN) run_query.py --profile tiny --query "$(ANKLE)"

test: $(VENV)/.tested
	$(RUN) -m pytest -q tests

setup: $(VENV)/.ready

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.10-3.12 found: install one, or make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: requirements.txt constraints.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tested: requirements_dev.txt $(VENV)/.ready
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements_dev.txt
	@touch $@

clean:
	rm -rf finetuned_falcon finetuned_falcon.* data/index logs/*.log logs/*.jsonl
