# Each of these sets up .venv once, then does its work; see CONTRIBUTING.md for the plain pip lines.
PYTHON ?= python3
CLASS = tests/submissions/gradebook_ML2026_Lab8_2026-11-20-23-59-59.zip
PYTEST = mkdir -p build && .venv/bin/python -m pytest --numprocesses=auto --cov

.PHONY: demo test test-all clean

demo: .venv/ready
	rm -rf build/demo
	.venv/bin/grader grade $(CLASS) --out build/demo --images mini
	.venv/bin/grader feedback build/demo

test: .venv/ready
	$(PYTEST) -m "not slow and not alone" --hypothesis-profile=few

test-all: .venv/ready
	$(PYTEST) -m "not alone"
	$(PYTEST) -m alone --cov-append --numprocesses=0

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build
