# Two commands from a fresh clone: `make demo` and `make test`. Python 3.11 or later and pip are all they need.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Tests of real parts wait more than they compute: more of them at once than there are cores.
WORKERS ?= 3

# The tests start hafence a thousand times: compiled once, not each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint mutation clean

help:
	@echo 'make demo   show the main job on a cluster on loopback (no root, no other service)'
	@echo 'make test   lint, types and every test (as root, installs the Debian packages that real parts need)'
	@echo 'make lint   lint and types only'
	@echo 'make mutation  change core/ and workflows/ in thousands of ways: a test must fail each time'
	@echo 'make clean  remove the venv and what tools have left'

demo: $(VENV)/installed-demo
	@$(BIN)/hafence demo

test: $(VENV)/installed-test
	@.ci/packages
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/lint
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/coverage
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/mutation --changed --within 180
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(VENV)/installed-test
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/lint

mutation: $(VENV)/installed-test
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/mutation --changed --write

$(VENV)/installed-%: setup.cfg pyproject.toml .ci/venv
	@test -n "$(PYTHON)" || { echo 'hafence needs Python 3.11 or later; name it with make PYTHON=…' >&2; exit 1; }
	@.ci/venv "$(PYTHON)" "$(VENV)" "$*"
	@touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
