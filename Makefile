# make demo | test | check | lock. Each sets up .venv from the lock if it is missing or the lock has changed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TESTS ?= not extended
VENV := .venv
BIN := $(VENV)/bin
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --python-version 3.11 \
	--python-platform x86_64-manylinux_2_28 --no-annotate --custom-compile-command "make lock"

.PHONY: demo test check lock

demo: $(VENV)/.project
	$(BIN)/zooter demo $(ARGS)

test: $(VENV)/.project
	$(BIN)/python -m pytest -n 2 -m "$(TESTS)" $(ARGS)

check: $(VENV)/.project
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The excludes stay out of the CPU environment: see the reasons in requirements/left-out.csv.
lock: $(VENV)/.project
	$(UV_COMPILE) --extra cpu --extra dev --overrides requirements/cpu-overrides.txt \
		--excludes requirements/cpu-excludes.txt --output-file requirements/cpu.txt
	sed -i 's/^torch==\([0-9.]*\)$$/torch==\1+cpu/' requirements/cpu.txt
	$(UV_COMPILE) --extra gpu --output-file requirements/gpu.txt

$(VENV)/.packages: requirements/cpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed; name it: make PYTHON=...")'
	$(PYTHON) -m venv --clear $(VENV)
	@# In pieces, on two cores: pip uses one, and no piece of a lock needs another.
	sed '/^#/d' requirements/cpu.txt | xargs -n 60 -P 2 $(BIN)/python -m pip install --quiet --no-deps --no-compile --disable-pip-version-check
	@# On all cores, where pip compiles on one; some packages hold files that are no Python of this version.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	touch $@

$(VENV)/.project: $(VENV)/.packages pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check --editable .
	touch $@
