# Commands for developers. `make` alone prints the list. Needs Python 3.11 or newer with venv, and make; nothing else.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for each in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
RUN := .venv/bin/python -m
PIP := $(RUN) pip --disable-pip-version-check --quiet --quiet
# Two workers, each with a server of its own; a file's tests share what one worker has set up.
PYTEST_ARGUMENTS ?= -n 2 --dist loadfile

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

.PHONY: demo
demo: .venv/.installed ## watch a visit become a price, a QR, a payment and a balanced ledger
	@.venv/bin/vienphi demo

.PHONY: run
run: .venv/.installed ## serve a demo hospital with bills to pay, and the bank simulator, on this machine until Ctrl-C
	@.venv/bin/vienphi run

.PHONY: test
test: .venv/.installed ## run the tests on a PostgreSQL of their own
	@$(RUN) pytest -m "not slow" $(PYTEST_ARGUMENTS)

ROUNDS ?= 1
.PHONY: check-slow
check-slow: .venv/.installed ## run the long forms: benchmarks at small sizes, chaos, races, models; longer: make check-slow ROUNDS=4
	@VIENPHI_ROUNDS=$(ROUNDS) $(RUN) pytest -m slow -n 2 --dist worksteal

.PHONY: check
check: check-fast test ## everything that must be green before a commit

.PHONY: check-fast
check-fast: .venv/.installed ## format, lint, types, floors
	@echo "format" && $(RUN) ruff format --check --quiet . || { echo "run: .venv/bin/ruff format ."; exit 1; }
	@echo "lint" && $(RUN) ruff check --quiet .
	@echo "types" && $(RUN) mypy --no-error-summary
	@echo "floors" && .venv/bin/lint-imports >.venv/floors.txt 2>&1 || { cat .venv/floors.txt; exit 1; }

.PHONY: bench-callbacks
bench-callbacks: .venv/.installed ## measure callbacks a second against what they are compared with (below 8 minutes)
	@$(RUN) tests.bench.callbacks $(BENCH_ARGUMENTS)

.PHONY: bench-overload
bench-overload: .venv/.installed ## send 1.2 times what can be posted, over 1,000 connections, for a minute
	@$(RUN) tests.bench.overload $(BENCH_ARGUMENTS)

.PHONY: bench-flood
bench-flood: .venv/.installed ## compare a callback's time under floods of anonymous clients with that without (9 minutes)
	@$(RUN) tests.bench.flood $(BENCH_ARGUMENTS)

.PHONY: bench-flat
bench-flat: .venv/.installed ## compare a callback's cost after 10 thousand and after 10 million postings (below 8 minutes)
	@$(RUN) tests.bench.flat $(BENCH_ARGUMENTS)

.PHONY: bench-coverage
bench-coverage: .venv/.installed ## compare a price with its bare formulae, and repricing in two processes with one (below 8 minutes)
	@$(RUN) tests.bench.coverage $(BENCH_ARGUMENTS)

.PHONY: bench-clearance
bench-clearance: .venv/.installed ## read order and discharge clearance among a million open orders, 500 a second (below 8 minutes)
	@$(RUN) tests.bench.clearance $(BENCH_ARGUMENTS)

.PHONY: bench-clearance-cost
bench-clearance-cost: .venv/.installed ## count the processor time of a clearance, also on a machine that does other work (2 minutes)
	@$(RUN) tests.bench.clearance_cost $(BENCH_ARGUMENTS)

LINES ?= 1000000
.PHONY: bench-reconcile
bench-reconcile: .venv/.installed ## import and match a generated month, compared with COPY and a join: LINES=1000000
	@$(RUN) tests.bench.reconcile --lines $(LINES)

.PHONY: bench-pages
bench-pages: .venv/.installed ## measure the screens among a million invoices: p95, weight, scan to code, callback to page
	@$(RUN) tests.bench.pages $(BENCH_ARGUMENTS)

.PHONY: bench-live
bench-live: .venv/.installed ## let callbacks update 200 open payment pages and 20 desks; memory after 10,000 connections (4 minutes)
	@$(RUN) tests.bench.live_pages $(BENCH_ARGUMENTS)

.PHONY: bench-restore
bench-restore: .venv/.installed ## measure base backup, check with drill, and restore to a point in time; needs barman (5 minutes)
	@$(RUN) tests.bench.restore $(BENCH_ARGUMENTS)

.PHONY: sizing
sizing: .venv/.installed ## state cores, disk and growth of a hospital and a province: BENCH_ARGUMENTS="--set outpatients_a_day=900"
	@$(RUN) tests.bench.sizing $(BENCH_ARGUMENTS)

CYCLES ?= 20
.PHONY: chaos
chaos: .venv/.installed ## kill everything at random while money comes in, then count it: make chaos CYCLES=20
	@$(RUN) tests.chaos.chaos --cycles $(CYCLES)

.PHONY: move
move: .venv/.installed ## move organizations between two clusters under callbacks, kill everything at random, then count it: make move CYCLES=20
	@$(RUN) tests.move.moving --cycles $(CYCLES) $(MOVE_ARGUMENTS)

.PHONY: failover
failover: .venv/.installed .venv/failover/.installed ## take the primary of three away under callbacks, then count it: make failover CYCLES=20
	@$(RUN) tests.failover.failover --cycles $(CYCLES) $(FAILOVER_ARGUMENTS)

.PHONY: rolling-upgrade
rolling-upgrade: .venv/.installed ## replace web and worker across a migration under callbacks: make rolling-upgrade OLD=commit
	@$(RUN) tests.failover.upgrade $(if $(OLD),--old $(OLD))

RACES ?= 20
.PHONY: races
races: .venv/.installed ## let two terminals do each pair of operations at once: make races RACES=1000
	@$(RUN) tests.races.races --rounds $(RACES) $(RACES_ARGUMENTS)

PATIENTS ?= 500
.PHONY: morning
morning: .venv/.installed ## live through a morning at six desks, with its faults, and compare everything (15 minutes)
	@$(RUN) tests.morning.morning --patients $(PATIENTS) $(MORNING_ARGUMENTS)

.PHONY: screenshots
screenshots: .venv/.installed ## write a picture of every page of the screens in every state to build/screenshots
	@VIENPHI_SCREENSHOTS=build/screenshots $(RUN) pytest tests/browser/test_screens.py

GUIDE_PICTURES := cashier-unpaid shift-waiting safe finance-reconciliation user
.PHONY: guide-pictures
guide-pictures: .venv/.installed ## write the pictures of the guides of each role again
	@VIENPHI_SCREENSHOTS=docs/guides/pictures VIENPHI_SCREENSHOT_NAMES="$(GUIDE_PICTURES)" \
		$(RUN) pytest tests/browser/test_screens.py

CUTS ?= 10000
.PHONY: cuts
cuts: .venv/.installed ## cut connections while cashiers take money, then count the receipts: make cuts CUTS=10000
	@VIENPHI_CUTS=$(CUTS) $(RUN) pytest -m slow tests/web/screens/test_cut_connections.py

SECONDS ?= 60
.PHONY: fuzz
fuzz: .venv/.installed ## send almost valid bytes to every reader: make fuzz SECONDS=600
	@$(RUN) tests.fuzz.fuzz --seconds $(SECONDS) $(FUZZ_ARGUMENTS)

.PHONY: lock
lock: .venv/lock/.made ## rewrite requirements.lock from pyproject.toml, and that of Patroni
	@CUSTOM_COMPILE_COMMAND="make lock" .venv/lock/bin/python -m piptools compile --quiet --upgrade \
		--generate-hashes --strip-extras --allow-unsafe --extra demo --extra dev --extra tracing --build-deps-for editable \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
		--output-file requirements.lock pyproject.toml
	@CUSTOM_COMPILE_COMMAND="make lock" .venv/lock/bin/python -m piptools compile --quiet --upgrade \
		--generate-hashes --strip-extras --allow-unsafe \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
		--output-file docker/ha/requirements.lock docker/ha/requirements.in

.PHONY: clean
clean: ## remove the virtual environment and everything else that was made
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment holds absolute paths: an environment that was moved or copied here is rebuilt.
ifneq "$(shell cat .venv/.path 2>/dev/null)" "$(CURDIR)"
.PHONY: .venv/.locked
endif

.venv/.locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is not Python 3.11 or newer; name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks venv; on Debian as root: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv: once, half a minute or so ..."
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) install --no-compile --require-hashes -r requirements.lock
	@printf '%s\n' "$(CURDIR)" >.venv/.path
	@touch $@

# The project itself: again after every change of pyproject.toml, since a new entry point is seen only then.
.venv/.installed: .venv/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Patroni, apart: nothing of the program needs it.
.venv/failover/.installed: docker/ha/requirements.lock .venv/.locked
	@$(PYTHON) -m venv --clear .venv/failover
	@.venv/failover/bin/python -m pip --disable-pip-version-check --quiet --quiet install --require-hashes -r $<
	@touch $@

.venv/lock/.made: .venv/.installed
	@$(PYTHON) -m venv .venv/lock
	@.venv/lock/bin/python -m pip --disable-pip-version-check --quiet --quiet install pip-tools==7.6.2
	@touch $@
