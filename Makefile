# Two commands from a fresh clone: `make demo` and `make test`. Python 3.11 or later and pip are all they need.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
# The versions that are installed; CONSTRAINTS= for the newest of everything (in a VENV of its own, as the nightly does).
CONSTRAINTS := constraints.txt
export CONSTRAINTS
# Tests of real parts wait more than they compute: more of them at once than there are cores.
WORKERS ?= 3

# The tests start hafence a thousand times: compiled once, not each time.
unexport PYTHONDONTWRITEBYTECODE

# What is run finds the venv's programs first.
IN_VENV = PATH="$(abspath $(VENV))/bin:$$PATH"

.PHONY: help demo check test lint mutation sensitivity package constraints clean

help:
	@echo 'make demo   show the main job on a cluster on loopback (no root, no other service)'
	@echo 'make check  lint, types and the quick tests: under a minute'
	@echo 'make test   lint, types and every test (as root, installs the Debian packages that real parts need)'
	@echo 'make lint   lint and types only'
	@echo 'make mutation  change core/ and workflows/ in thousands of ways: a test must fail each time'
	@echo '               (about half an hour; MODULES="core/siblings core/audit" for a part)'
	@echo 'make sensitivity  plant faults in the rules: the search alone must find each that starts a VM more often'
	@echo '               (an hour or more; MODULES="core/decision" for a part)'
	@echo 'make package  build the sdist and the wheel into dist/, and try both'
	@echo 'make constraints  renew constraints.txt: the newest versions of what the tests and the demo install'
	@echo 'make clean  remove the venv and what tools have left'

demo: $(VENV)/installed-demo
	@$(VENV)/bin/hafence demo

check: $(VENV)/installed-test
	@$(IN_VENV) .ci/check

test: $(VENV)/installed-test
	@.ci/packages
	@$(IN_VENV) .ci/lint
	@$(IN_VENV) .ci/tests pure
	@.ci/pythons import
	@$(IN_VENV) .ci/mutation --changed --within 150
	@$(IN_VENV) timeout 900 .ci/package
	@$(IN_VENV) .ci/tests rest -n $(WORKERS)

lint: $(VENV)/installed-test
	@$(IN_VENV) .ci/lint

mutation: $(VENV)/installed-test
	@$(IN_VENV) .ci/mutation $(MODULES)

sensitivity: $(VENV)/installed-test
	@$(IN_VENV) .ci/sensitivity $(MODULES)

package: $(VENV)/installed-test
	@$(IN_VENV) .ci/package dist

constraints:
	@.ci/constraints "$(PYTHON)"

$(VENV)/installed-%: setup.cfg pyproject.toml .ci/venv $(CONSTRAINTS)
	@test -n "$(PYTHON)" || { echo 'hafence needs Python 3.11 or later; name it with make PYTHON=…' >&2; exit 1; }
	@.ci/venv "$(PYTHON)" "$(VENV)" "$*"
	@touch $@

clean:
	rm -rf $(VENV) nightly/newest nightly/python3.* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
