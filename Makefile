# `make live` sets up and starts the demo; `make test` sets up and passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
LIVE_PACKAGES := python3-venv libegl1 libegl-mesa0 libgl1-mesa-dri
TEST_PACKAGES := $(LIVE_PACKAGES) python3-tk xvfb xdotool openbox x11-xserver-utils strace chromium chromium-driver \
	fonts-dejavu-core libllvm19 \
	g++ minetest mono-mcs mono-runtime godot3 glslang-tools ffmpeg \
	libgl-dev libegl-dev libx11-dev glmark2-x11 mesa-utils-extra mangohud

.PHONY: live test test-slow check bench setup clean
live: $(VENV)/.live
	$(BIN)/realmaster live $(ARGS)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/pytest -m "not slow" -n 2 tests/unit tests/contract tests/model
	$(BIN)/pytest -m "not slow" tests/system

test-slow: $(VENV)/.dev
	$(BIN)/pytest -m slow

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.transport
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.seams
	$(BIN)/python -m benchmarks.live --seconds 60

$(VENV)/.live: pyproject.toml constraints.txt
	sh scripts/system-packages.sh $(LIVE_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[games]'
	@echo 'other commands: first ". $(VENV)/bin/activate", in each new terminal'
	touch $@

# torch is named first and exactly: left to the resolver, it can become a CUDA build of several GB.
$(VENV)/.dev: pyproject.toml constraints.txt
	sh scripts/system-packages.sh $(TEST_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build *.egg-info
