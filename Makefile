# What the README promises in one word each. Written for Debian 12; elsewhere install the packages
# by their local names and use cargo.

PACKAGES = build-essential pkg-config clang libclang-dev libopencv-dev \
	libavcodec-dev libavformat-dev libavutil-dev libswresample-dev libswscale-dev ffmpeg
# The browser opens what is written; the second line is what the recipes of the README and deploy/ are run with.
TEST_PACKAGES = chromium mosquitto mosquitto-clients openssl python3 \
	cron jq kcat parallel sqlite3 systemd
SUDO = $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PROGRAM = target/release/vision-pipe
DEMO = demo

# Where the program looks for it; the library comes from the wheel that Python users install.
ONNXRUNTIME = $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/vision-pipe/lib/libonnxruntime.so
WHEEL = target/onnxruntime

.PHONY: demo test packages test-packages build onnxruntime models lint vtest must-show \
	start stop run_timeplus create_dashboard

demo: build
	@mkdir -p $(DEMO)
	@$(PROGRAM) run samples/pedestrians.mp4 -o $(DEMO)/annotated.mp4 \
		--ndjson $(DEMO)/detections.ndjson --csv $(DEMO)/detections.csv \
		--summary-json $(DEMO)/summary.json
	@value() { sed -n "s/.*\"$$1\":\([0-9.]*\).*/\1/p" $(DEMO)/summary.json; }; \
	people=$$(grep -c ',person,' $(DEMO)/detections.csv); \
	echo "found $$(value detections) objects, $$people of them people, in $$(value frames) frames at $$(value fps) frames a second"; \
	echo "watch $(DEMO)/annotated.mp4; work with $(DEMO)/detections.ndjson and $(DEMO)/detections.csv"; \
	echo "try next: $(PROGRAM) run YOUR.mp4 --classes person -o annotated.mp4"

test: packages test-packages onnxruntime
	cargo test

packages: INSTALL = $(PACKAGES)
test-packages: INSTALL = $(TEST_PACKAGES)
packages test-packages:
	@if ! dpkg -s $(INSTALL) >/dev/null 2>&1; then \
		$(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(INSTALL); \
	fi

build: packages
	cargo build --release

onnxruntime: $(ONNXRUNTIME)
$(ONNXRUNTIME):
	@python3 -m pip --version >/dev/null 2>&1 || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -qy --no-install-recommends python3-pip; }
	mkdir -p $(@D) $(WHEEL)
	python3 -m pip download -q --no-deps --only-binary=:all: -d $(WHEEL) onnxruntime==1.32.0
	python3 -m zipfile -e $(WHEEL)/onnxruntime-*.whl $(WHEEL)
	cp $(WHEEL)/onnxruntime/capi/libonnxruntime.so.* $@
	rm -r $(WHEEL)

# The models that are not committed, and all of them where the program finds them from anywhere.
MODELS = $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/vision-pipe/models
models:
	@python3 -c 'import venv, ensurepip' 2>/dev/null || \
		{ $(SUDO) apt-get update -q && $(SUDO) apt-get install -qy --no-install-recommends python3-venv; }
	models/make.sh
	mkdir -p $(MODELS)
	cp models/*.onnx models/LICENSE-* $(MODELS)

lint: packages
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# The reference video, 8 MB out of a package of 95 MB.
vtest: target/vtest.avi
target/vtest.avi:
	mkdir -p target/opencv-doc
	cd target/opencv-doc && apt-get download -q opencv-doc && dpkg-deb -x opencv-doc_*.deb .
	mv target/opencv-doc/usr/share/doc/opencv-doc/examples/data/vtest.avi $@
	rm -r target/opencv-doc

# A video into Timeplus in containers: raw and typed rows, the page at http://localhost:5001.
COMPOSE = docker compose
start:
	$(COMPOSE) up --build --detach --wait

stop:
	$(COMPOSE) down

run_timeplus:
	$(COMPOSE) up --detach --wait timeplus

# Needs the streams, so after the start; a second time replaces the dashboards.
create_dashboard:
	$(COMPOSE) run --rm --no-deps vision-pipe timeplus dashboard --apply --timeplus http://timeplus:8123 \
		--timeplus-schema detections,events,raw --page http://localhost:5001

# Everything the program promises of the reference video, by hand: takes some minutes.
must-show: build vtest
	tests/must-show.sh
