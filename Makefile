# `make demo` and `make test` set up what they need in .venv and do nothing twice.
# Another Python: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV := .venv
LOCK := requirements.lock
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(LOCK)
OUT := demo-output
DIST := dist

.PHONY: demo test suite test-oldest test-newest lint docs qgis-plugin clean

demo: $(VENV)/.installed
	rm -rf $(OUT) && mkdir $(OUT)
	$(BIN)/geoseg classify sample_data/parana.tif --model sample_data/parana.safetensors --nodata 0 \
	  --out $(OUT)/lulc.tif --polygons $(OUT)/lulc.gpkg --confidence $(OUT)/confidence.tif
	$(BIN)/geoseg info $(OUT)/lulc.tif --plot $(OUT)/lulc.png

test: lint suite

suite: $(VENV)/.installed-dev
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(PYTEST)

# The oldest versions that pyproject.toml allows. They warn about packages that came after them.
test-oldest:
	$(MAKE) suite VENV=.venv-oldest LOCK=requirements-oldest.lock PYTEST="-W ignore"

# The newest versions that there are.
test-newest:
	$(MAKE) suite VENV=.venv-newest LOCK=/dev/null

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The files of the commit, to install in QGIS or to upload to a repository of plugins.
qgis-plugin:
	mkdir -p $(DIST)
	git archive --format=zip --output=$(DIST)/geoseg_processing.zip HEAD:workflows/qgis geoseg_processing

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml $(LOCK)
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) .venv-* $(OUT) site
