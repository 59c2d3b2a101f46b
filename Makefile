# The main commands are `make report` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Python 3.12 and later have separate pins.
PINS := $(shell $(PYTHON) -c 'import sys; print("constraints.txt" if sys.version_info < (3, 12) else "constraints-3.14.txt")')
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c $(PINS)
# All processors compile what was installed, but no package's own tests: 57 MB less.
COMPILE := $(BIN)/python -c "import compileall, re, sysconfig; compileall.compile_dir(sysconfig.get_path('purelib'), quiet=2, workers=0, rx=re.compile(r'[/\\\\]tests[/\\\\]'))"

# Modules are compiled once, not by each command that a test starts.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: report test test-long coverage lab check pins docs bench certify archive-year mutants soak chaos coexistence images clean

report: .venv/.run-ready        ## build the demo shops, pull, run every report, push, write the pages
	@$(BIN)/d1lab demo --if-missing
	@$(BIN)/d1lab run

test: .venv/.test-ready         ## all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile -q

test-long: .venv/.test-ready    ## all tests, those that take long too, with all examples
	@D1LAB_TEST_LONG=1 $(BIN)/python -m pytest -n 2 --dist loadfile -q -m ""

coverage: .venv/.test-ready     ## all tests with coverage, which must not fall
	@$(BIN)/python -m pytest -n 2 --dist loadfile -q --cov --cov-report=term:skip-covered

lab: .venv/.run-ready           ## JupyterLab with the tour, on the demo shops
	@$(BIN)/d1lab demo --if-missing
	@$(BIN)/d1lab pull
	@$(BIN)/d1lab lab

check: .venv/.test-ready        ## style, types, import layers, documentation
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright && $(BIN)/lint-imports
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

pins: .venv/bin/python          ## check that both pin files resolve, wheels only; `make pins RENEW=--renew` rewrites them
	@$(BIN)/python .ci/pins.py $(RENEW)

docs: .venv/.docs-ready         ## build the documentation into site/; warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html"

bench: .venv/.bench-ready       ## benchmarks against alternatives; writes bench/RESULTS.md
	@$(BIN)/python -m bench

certify: .venv/.test-ready      ## verify the A/B statistics by simulation; writes docs/validation/ab-*.md; takes half an hour
	@$(BIN)/python -m validation.ab_certificate

mutants: .venv/.mutants-ready   ## put small faults into the statistics; the tests must find them; 20 minutes
	@$(BIN)/python -m validation.mutants

archive-year: .venv/.test-ready ## archive a year of the demo month by month; writes docs/validation/archive.md; takes half an hour
	@$(BIN)/python -m validation.archive

chaos: .venv/.test-ready        ## kill commands, corrupt responses and inputs; writes docs/validation/chaos.md
	@$(BIN)/python -m validation.chaos

soak: .venv/.test-ready         ## run every report on 52 Mondays and 60 days; takes an hour; resumes
	@$(BIN)/python -m validation.soak

coexistence: .venv/.test-ready  ## run an app and d1lab on the real engine for a minute; report 3,000 uses
	@$(BIN)/python -m tests.support.coexistence 60 3000

images: .venv/.test-ready       ## take pictures of the existing reports; writes docs/images/
	@$(BIN)/python -m docs.screenshots

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.run-ready: pyproject.toml $(PINS) | .venv/bin/python
	@echo "Installing d1lab (a minute or two, once) ..."
	@$(PIP) -e '.[demo]' && $(COMPILE)
	@touch $@

# Not `npm ci`: it fails if a registry does not have the optional packages of other platforms.
NPM_LOCKS := tests/engine/package-lock.json tests/browser/package-lock.json

.venv/.test-ready: pyproject.toml $(PINS) $(NPM_LOCKS) | .venv/bin/python
	@echo "Installing d1lab with its test tools (a minute or two, once) ..."
	@$(PIP) -e '.[demo,prices,share,xlsx,fleet,test,docs]' && $(COMPILE)
	@for folder in $(dir $(NPM_LOCKS)); do \
	  (cd $$folder && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --no-save --no-audit --no-fund --loglevel=error) || exit 1; \
	done
	@touch .venv/.run-ready .venv/.docs-ready $@

.venv/.docs-ready: pyproject.toml $(PINS) | .venv/bin/python
	@echo "Installing d1lab with its documentation tools (a minute or two, once) ..."
	@$(PIP) -e '.[demo,docs]' && $(COMPILE)
	@touch $@

.venv/.bench-ready: .venv/.test-ready
	@$(PIP) -e '.[demo,prices,share,xlsx,fleet,test,bench]' && $(COMPILE)
	@touch $@

.venv/.mutants-ready: .venv/.test-ready
	@$(PIP) -e '.[demo,prices,share,fleet,test,docs,mutants]' && $(COMPILE)
	@touch $@

clean:                          ## back to a fresh clone: data/ and reports/ keep only their README
	@for folder in data reports; do \
	  [ ! -d $$folder ] || find $$folder/ -mindepth 1 ! -path $$folder/README.md -delete; \
	done
	rm -rf .venv site tests/engine/node_modules tests/browser/node_modules
