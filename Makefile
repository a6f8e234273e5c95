# `make demo` and `make test` set up what they need in .venv and do nothing twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock
OUT := demo-output
DIST := dist

.PHONY: demo test lint docs qgis-plugin clean

demo: $(VENV)/.installed
	rm -rf $(OUT) && mkdir $(OUT)
	$(BIN)/geoseg classify sample_data/parana.tif --model sample_data/parana.safetensors --nodata 0 \
	  --out $(OUT)/lulc.tif --polygons $(OUT)/lulc.gpkg --confidence $(OUT)/confidence.tif
	$(BIN)/geoseg info $(OUT)/lulc.tif --plot $(OUT)/lulc.png

test: $(VENV)/.installed-dev lint
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

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

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml requirements.lock
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) $(OUT) site
