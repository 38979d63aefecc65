# `make demo` runs the main job, `make test` passes the tests; both install what they need.
# `make help` lists every target.

# tract takes minutes to compile: the target folders outlive the clone.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/affectd
export CARGO_TARGET_DIR ?= $(CACHE)/target

# Tools that are not packaged in Debian, pinned; they outlive the clone too.
TOOLS := $(CACHE)/tools
DENY_VERSION := 0.20.2
DENY := $(TOOLS)/bin/cargo-deny
TYPOS_VERSION := 1.52.0
TYPOS := $(TOOLS)/typos-$(TYPOS_VERSION)/bin/typos
CYCLONEDX_VERSION := 0.5.9
CYCLONEDX := $(TOOLS)/bin/cargo-cyclonedx

AFFECTD := $(CARGO_TARGET_DIR)/release/affectd
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# bindgen (v4l) needs libclang; the tests use a real mosquitto and certificates of openssl, and a board that has only busybox.
BUILD_PACKAGES := build-essential libclang-dev
TEST_PACKAGES := mosquitto mosquitto-clients openssl busybox

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: demo
demo: build ## build, and run the bundled clip through the whole pipeline
	$(AFFECTD) demo

.PHONY: build
build: install-build-packages
	cargo build --release

.PHONY: test
test: install-build-packages install-test-packages ## formatting, lints, documentation, unit and end-to-end tests
	cargo fmt --all --check
	cargo clippy --all-targets -- -D warnings
	# Targets with test = false are not among all targets.
	cargo clippy --test uml --test arm64 --test faults --test fleet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	cargo test --release

.PHONY: test-slow
test-slow: install-build-packages install-test-packages deny ## tests that need minutes, and the licences of the dependencies
	# The skipped test measures what decision 26 does not reach yet.
	cargo test --release -- --ignored --skip nothing_is_lost_by_looking

.PHONY: test-metrics
test-metrics: build ## a real Prometheus scrapes the daemon: promtool's checks, alerts, every query of the dashboard
	@$(call install,prometheus mosquitto python3)
	tests/metrics/run.py $(AFFECTD)

.PHONY: bench-http
bench-http: build ## measure what the HTTP server costs, and what abuse of it takes from sensing: ROUNDS=5
	@$(call install,python3)
	@tests/http/bench.py $(AFFECTD) --rounds $(or $(ROUNDS),5) $(if $(JSON),--json)

# rten is built separately (see tests/peers/Cargo.toml). The networks and the Python environment are kept.
PEERS := $(CACHE)/peers
PEERS_PYTHON := $(PEERS)/venv/bin/python

.PHONY: bench-peers
bench-peers: install-build-packages $(PEERS)/requirements.txt ## compare affectd's runtime with ONNX Runtime, rten and tract; downloads PyTorch
	cargo build --release --config profile.release.opt-level=3 -p peers --features rten
	cargo build --release --config profile.release.opt-level=3 -p peers --features tract
	$(PEERS_PYTHON) tests/peers/bench.py --bin $(CARGO_TARGET_DIR)/release --work $(PEERS) $(if $(JSON),--json)

# The copy records what is installed.
$(PEERS)/requirements.txt: models/tools/requirements.txt
	@$(call install,python3-venv)
	mkdir -p $(PEERS) && python3 -m venv $(PEERS)/venv
	$(PEERS_PYTHON) -m pip install -r $<
	cp $< $@

# The whole line beside Python scripts. The recordings are made once. YUNET=FILE: the plain script's detector.
LINE := $(CACHE)/line
LINE_PYTHON := $(LINE)/venv/bin/python
LINE_SCENES := empty still one two four eight
LINE_RECORDINGS := $(LINE)/recordings-$(shell cat tests/line/scenes.py | sha256sum | cut -c 1-12)

.PHONY: bench-line
bench-line: build $(LINE)/requirements.txt $(LINE_RECORDINGS) ## compare the whole line with Python scripts that run the same networks; SCENES="empty one"
	$(LINE_PYTHON) tests/line/bench.py --affectd $(AFFECTD) --models models --recordings $(LINE_RECORDINGS) \
		$(if $(YUNET),--yunet $(YUNET)) --rounds $(or $(ROUNDS),9) $(if $(JSON),--json) $(SCENES)

$(LINE)/requirements.txt: tests/line/requirements.txt
	@$(call install,python3-venv)
	mkdir -p $(LINE) && python3 -m venv $(LINE)/venv
	$(LINE_PYTHON) -m pip install --quiet -r $<
	cp $< $@

$(LINE_RECORDINGS): $(LINE)/requirements.txt
	rm -rf $@.new && $(LINE_PYTHON) tests/line/scenes.py $@.new && mv $@.new $@

# Built together with the daemon, so that the features of shared dependencies are the same and tract is not compiled twice.
# The filters are the modules of affectd-infer; they match no test of the daemon.
INFER_TESTS := kernel:: network:: onnx_weights:: panics:: passes::

.PHONY: test-memory
test-memory: install-build-packages ## operators and kernels under valgrind; takes minutes
	@$(call install,valgrind)
	cargo test --release --lib --package affectd --package affectd-infer \
		--config "target.'cfg(unix)'.runner=['valgrind','-q','--error-exitcode=9']" -- $(INFER_TESTS)

# --- fuzzing ---

# Processor seconds of each target.
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: install-build-packages ## fuzz everything that parses bytes from outside, guided by coverage: FUZZ_SECONDS=600 TARGETS="model::onnx ..."
	tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --work $(CACHE)/fuzz $(if $(JSON),--json) $(TARGETS)

.PHONY: test-fuzz
test-fuzz: ## the same for 20 seconds each
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=20

# --- endurance and fleets ---

.PHONY: test-soak
test-soak: build install-test-packages ## run a million frames through the whole daemon, and compare the beginning with the end: FRAMES=1000000
	@$(call install,mosquitto-clients python3)
	@tests/soak/run.py $(AFFECTD) --frames $(or $(FRAMES),1000000) $(if $(JSON),--json)

FLEET := $(CACHE)/fleet
# RabbitMQ of Debian 13.
FLEET_ROOT := $(FLEET)/rabbitmq
FLEET_PYTHON := $(FLEET)/venv/bin/python

.PHONY: test-fleet
test-fleet: install-build-packages $(FLEET_ROOT) $(FLEET)/venv/requirements.txt ## a fleet on one broker, on a cluster that loses a node, and with consumers: DEVICES=1000 CLUSTER_DEVICES=1000
	@$(call install,mosquitto mosquitto-clients postgresql iproute2 util-linux python3)
	@cargo test --release --no-run --test fleet --message-format=json-render-diagnostics > $(FLEET)/build.json
	@$(SUDO) unshare --net --pid --fork --kill-child --mount-proc tests/fleet/run.py --build $(FLEET)/build.json \
		--rabbitmq $(FLEET_ROOT) --python $(FLEET_PYTHON) --devices $(or $(DEVICES),1000) \
		$(if $(CLUSTER_DEVICES),--cluster-devices $(CLUSTER_DEVICES)) $(if $(JSON),--json)

$(FLEET_ROOT):
	@$(call install,mmdebstrap)
	mkdir -p $(FLEET)
	$(SUDO) mmdebstrap --quiet --variant=minbase --include=rabbitmq-server --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' trixie $@

$(FLEET)/venv/requirements.txt: docs/examples/fleet/requirements.txt
	@$(call install,python3-venv)
	mkdir -p $(FLEET) && python3 -m venv --clear $(FLEET)/venv
	$(FLEET_PYTHON) -m pip install --quiet -r $<
	cp $< $@
# --- faults ---

FAULT_PACKAGES := mosquitto-clients openssl iproute2 util-linux procps faketime python3

.PHONY: test-faults
test-faults: test-faults-local test-uml ## what happens when anything around the daemon fails, with real parts: a promise for each fault

.PHONY: test-faults-local
test-faults-local: install-build-packages install-test-packages ## the same without the emulated boards; as root in a network and a mount namespace
	@$(call install,$(FAULT_PACKAGES))
	cargo test --release --test faults \
		--config "target.'cfg(unix)'.runner=[$(if $(SUDO),'sudo'$(comma)) 'tests/faults/run.sh']" \
		-- $(if $(JSON),--json) $(FAULTS)

comma := ,

# --- models/tools ---

TOOLS_PYTHON := $(CACHE)/python/bin/python
TORCH_PYTHON := $(CACHE)/torch/bin/python

# Programs for the terminal, which print.
SCRIPTS := tests/fuzz tests/soak tests/fleet tests/http tests/metrics tests/examples docs/examples/fleet docs/figures docs/check.py

.PHONY: test-python
test-python: $(CACHE)/python/requirements.txt ## lints and types of the Python programs, tests of models/tools that need no PyTorch
	cd models/tools && $(TOOLS_PYTHON) -m ruff check . && $(TOOLS_PYTHON) -m ruff format --check .
	cd models/tools && $(TOOLS_PYTHON) -m mypy && $(TOOLS_PYTHON) -m pytest -q
	$(TOOLS_PYTHON) -m ruff check --config models/tools/pyproject.toml --extend-ignore S101,T20 $(SCRIPTS)
	$(TOOLS_PYTHON) -m ruff format --config models/tools/pyproject.toml --check $(SCRIPTS)
	for folder in $(SCRIPTS); do $(TOOLS_PYTHON) -m mypy --strict --ignore-missing-imports $$folder || exit 1; done
	cd tests/homeassistant && $(TOOLS_PYTHON) -m ruff check . ../../docs/examples/subscriber.py && \
		$(TOOLS_PYTHON) -m ruff format --check . ../../docs/examples/subscriber.py && \
		$(TOOLS_PYTHON) -m mypy . ../../docs/examples/subscriber.py

$(CACHE)/python/requirements.txt: models/tools/requirements-core.txt models/tools/requirements-test.txt
	@$(call install,python3-venv)
	python3 -m venv --clear $(CACHE)/python
	$(TOOLS_PYTHON) -m pip install --quiet -r $(word 1,$^) -r $(word 2,$^)
	cat $^ > $@

.PHONY: test-training
test-training: $(CACHE)/torch/requirements.txt ## tests of models/tools with PyTorch, with the whole recipe on 200 made faces; downloads PyTorch
	cd models/tools && OMP_NUM_THREADS=1 $(TORCH_PYTHON) -m pytest -q tests/training

$(CACHE)/torch/requirements.txt: models/tools/requirements.txt models/tools/requirements-test.txt
	@$(call install,python3-venv)
	python3 -m venv --clear $(CACHE)/torch
	$(TORCH_PYTHON) -m pip install --quiet -r $(word 1,$^) -r $(word 2,$^)
	cat $^ > $@

# --- the live page in a browser ---

PAGE_PYTHON := $(CACHE)/page/bin/python
PAGE_PACKAGES := chromium fonts-dejavu-core mosquitto mosquitto-clients

.PHONY: test-page
test-page: build install-page-packages $(CACHE)/page/requirements.txt ## test the live page and `affectd aim` in a headless Chromium
	cd tests/page && $(PAGE_PYTHON) -m ruff check . && $(PAGE_PYTHON) -m ruff format --check . && $(PAGE_PYTHON) -m mypy
	cd tests/page && AFFECTD=$(AFFECTD) $(PAGE_PYTHON) -m pytest -q

.PHONY: page-pictures
page-pictures: build install-page-packages $(CACHE)/page/requirements.txt ## write the screenshots of the documentation
	AFFECTD=$(AFFECTD) $(PAGE_PYTHON) tests/page/pictures.py docs/images

.PHONY: install-page-packages
install-page-packages:
	@$(call install,$(PAGE_PACKAGES))

$(CACHE)/page/requirements.txt: tests/page/requirements.txt
	@$(call install,python3-venv)
	python3 -m venv --clear $(CACHE)/page
	$(PAGE_PYTHON) -m pip install --quiet -r $<
	cp $< $@

# --- documentation ---

.PHONY: figures
figures: ## write the tables of the documentation from docs/figures/*.json
	docs/figures/render.py

.PHONY: check-figures
check-figures: ## check that the tables of the documentation match docs/figures/*.json
	docs/figures/render.py --check

.PHONY: check-docs
check-docs: check-figures $(TYPOS) ## check tables, links, paths and spelling of the documentation
	docs/check.py
	$(TYPOS)

# The same program is on crates.io, where it compiles for minutes.
$(TYPOS):
	@$(call install,python3-venv)
	python3 -m venv $(TOOLS)/typos-$(TYPOS_VERSION)
	$(TOOLS)/typos-$(TYPOS_VERSION)/bin/pip install --quiet typos==$(TYPOS_VERSION)

# --- dependencies ---

.PHONY: deny
deny: $(DENY) ## check licences and sources of the dependencies; `cargo deny check` includes advisories
	$(DENY) check licenses bans sources

$(DENY):
	cargo install --locked cargo-deny@$(DENY_VERSION) --root $(TOOLS) --target-dir $(TOOLS)/build
	rm -rf $(TOOLS)/build

# --- other boards, and packages ---

ARM64 := aarch64-unknown-linux-gnu
CROSS_TARGET_DIR ?= $(CACHE)/target-cross
SYSROOT := $(CACHE)/sysroot-arm64
AFFECTD_ARM64 := $(CROSS_TARGET_DIR)/$(ARM64)/release/affectd
CARGO_DEB_VERSION := 3.8.0
CARGO_DEB := $(TOOLS)/bin/cargo-deb

# The most recent package for this machine, and for boards.
DEB_HOST = "$$(ls -t $(CACHE)/deb/affectd_*_$$(dpkg --print-architecture).deb | head -n 1)"
DEB_ARM64 = "$$(ls -t $(CACHE)/deb/affectd_*_arm64.deb | head -n 1)"

# Debian's rustc-web has a standard library for arm64; bindgen reads the headers of the cross compiler with clang.
CROSS_PACKAGES := rustc-web libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross \
	libclang-dev clang mmdebstrap
DEB_PACKAGES := dpkg-dev python3
TEST_DEB_PACKAGES := lintian mmdebstrap systemd
# To run programs of another architecture, and root file systems of them.
FOREIGN_PACKAGES := qemu-user-static arch-test

# The program is linked against an old C library; only the link step differs from an ordinary build.
SYSROOT_LINK := --sysroot=$(SYSROOT) -B$(SYSROOT)/usr/lib/aarch64-linux-gnu \
	-L$(SYSROOT)/lib/aarch64-linux-gnu -L$(SYSROOT)/usr/lib/aarch64-linux-gnu

.PHONY: cross-arm64
cross-arm64: install-build-packages install-cross-packages ## build for Raspberry Pi and Jetson (arm64, glibc 2.31)
	cross/sysroot.sh $(SYSROOT)
	CARGO_TARGET_DIR=$(CROSS_TARGET_DIR) RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc cargo rustc --release --locked \
		--config cross/config.toml --target $(ARM64) --bin affectd -- \
		-C strip=symbols $(addprefix -C link-arg=,$(SYSROOT_LINK))
	cross/glibc.sh aarch64-linux-gnu-objdump $(AFFECTD_ARM64) 2.31

# 32-bit Raspberry Pi OS, from release 12. No standard library is packaged for it, so it is built too, which needs unstable
# options. Build scripts depend on those options; with a shared folder, switching targets would rebuild everything.
ARMV7 := armv7-unknown-linux-gnueabihf
AFFECTD_ARMV7 := $(CACHE)/target-armv7/$(ARMV7)/release/affectd
ARMV7_PACKAGES := rustc-web rust-web-src gcc-arm-linux-gnueabihf libc6-dev-armhf-cross libclang-dev clang

.PHONY: cross-armv7
cross-armv7: install-build-packages install-armv7-packages ## build for 32-bit Raspberry Pi OS (armv7)
	CARGO_TARGET_DIR=$(CACHE)/target-armv7 RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 cargo build --release --locked \
		--config cross/config.toml -Zbuild-std=std,panic_abort --target $(ARMV7)
	cross/glibc.sh arm-linux-gnueabihf-objdump $(AFFECTD_ARMV7) 2.36

.PHONY: deb
deb: cross-arm64 install-deb-packages $(CARGO_DEB) ## build the Debian package for arm64
	cross/package/third_party.py $(ARM64) | gzip -9n > $(dir $(AFFECTD_ARM64))third-party.txt.gz
	CARGO_TARGET_DIR=$(CROSS_TARGET_DIR) $(CARGO_DEB) --no-build --no-strip --variant board --target $(ARM64) --output $(CACHE)/deb/

.PHONY: deb-host
deb-host: build install-deb-packages $(CARGO_DEB) ## build the Debian package for this machine
	cross/package/third_party.py "$$(rustc -vV | sed -n 's/^host: //p')" | gzip -9n > $(dir $(AFFECTD))third-party.txt.gz
	$(CARGO_DEB) --no-build --strip --output $(CACHE)/deb/

.PHONY: test-deb
test-deb: deb-host install-test-deb-packages ## install, upgrade, remove and purge the package in a temporary Debian 13
	$(SUDO) cross/test-deb.sh $(DEB_HOST) trixie

# The oldest supported system.
.PHONY: test-deb-arm64
test-deb-arm64: deb install-test-deb-packages install-foreign-packages ## the same for the arm64 package in Debian 11, under emulation
	$(SUDO) cross/binfmt.sh
	$(SUDO) cross/test-deb.sh $(DEB_ARM64) bullseye

.PHONY: test-arm64
test-arm64: build cross-arm64 install-foreign-packages ## run the arm64 program under emulation, as Raspberry Pi 3, 4 and 5
	# The cores of Jetson Orin have the same instruction set as those of a Raspberry Pi 5.
	cross/test-emulated.sh qemu-aarch64-static $(AFFECTD_ARM64) $(AFFECTD) $(SYSROOT) cortex-a53 cortex-a72 cortex-a76

.PHONY: test-armv7
test-armv7: build cross-armv7 install-foreign-packages ## run the armv7 program under emulation, as Raspberry Pi 2
	cross/test-emulated.sh qemu-arm-static $(AFFECTD_ARMV7) $(AFFECTD) /usr/arm-linux-gnueabihf cortex-a7

# Instructions of one inference: a cost model for boards that are not available.
COUNT := $(CACHE)/count

.PHONY: count-arm64
count-arm64: install-build-packages install-cross-packages ## count the instructions of one inference; other networks: MODELS=FILE INFERENCES=1
	@$(call install,qemu-user gcc python3-pip)
	cross/count/peers.sh $(COUNT)
	cc -shared -fPIC -O2 -Wall -Wextra -o $(COUNT)/instructions.so cross/count/instructions.c
	CARGO_TARGET_DIR=$(CROSS_TARGET_DIR) RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc cargo build --release --locked \
		--config cross/config.toml --config profile.release.opt-level=3 --target $(ARM64) --package peers --features tract --bin peer-tract
	cross/count/count.py --plugin $(COUNT)/instructions.so --root $(COUNT)/root --onnx-runtime $(COUNT)/onnxruntime \
		--peer $(CROSS_TARGET_DIR)/$(ARM64)/release/peer-tract --inferences $(or $(INFERENCES),3) $(if $(JSON),--json) \
		$(or $(MODELS),$(addprefix models/,maxvit-ferplus-64.onnx blazeface.onnx centerface.onnx))

# Instructions of one second of video, through the whole line.
.PHONY: count-line
count-line: cross-arm64 $(LINE_RECORDINGS) ## count the instructions of one second of video on emulated processors; CPU=cortex-a72
	@$(call install,qemu-user gcc python3-pip)
	cross/count/peers.sh $(COUNT)
	cc -shared -fPIC -O2 -Wall -Wextra -o $(COUNT)/instructions.so cross/count/instructions.c
	cross/count/line.py --plugin $(COUNT)/instructions.so --root $(COUNT)/root --affectd $(AFFECTD_ARM64) --models models \
		$(addprefix --cpu ,$(CPU)) $(if $(JSON),--json) $(LINE_SCENES:%=$(LINE_RECORDINGS)/%.mjpeg)

# The tests of the inference crate, with the kernels that each processor selects. The root must be as recent as the cross
# compiler's C library.
.PHONY: test-arm64-kernels
test-arm64-kernels: install-build-packages install-cross-packages ## test the inference kernels under emulation, as four processors
	@$(call install,qemu-user python3-pip)
	cross/count/peers.sh $(COUNT)
	for cpu in cortex-a53 cortex-a72 cortex-a76 max; do \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="timeout 900 qemu-aarch64 -cpu $$cpu -L $(COUNT)/root" \
		CARGO_TARGET_DIR=$(CROSS_TARGET_DIR) RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc cargo test --release --locked \
			--config cross/config.toml --target $(ARM64) --lib --package affectd --package affectd-infer \
			-- $(INFER_TESTS) || exit 1; \
	done

# --- emulated boards ---

UML := $(CACHE)/uml
UML_RECIPE := tests/board/uml
UML_KERNEL := $(UML)/linux-$(shell cat $(UML_RECIPE)/kernel.* | sha256sum | cut -c 1-12)
UML_ROOT := $(UML)/root-$(shell find $(UML_RECIPE)/root.sh $(UML_RECIPE)/root -type f | sort | xargs cat | sha256sum | cut -c 1-12).img
UML_KERNEL_PACKAGES := linux-source-6.12 build-essential flex bison bc xz-utils
UML_ROOT_PACKAGES := mmdebstrap e2fsprogs systemd

.PHONY: test-board
test-board: test-uml test-board-arm64 test-arm64 test-deb-arm64 ## test the packages on emulated boards and the program on emulated processors

.PHONY: test-uml
test-uml: deb-host $(UML_KERNEL) $(UML_ROOT) ## test boards with camera, switch, systemd and broker in User-Mode Linux: a scenario for each field failure
	@$(call install,e2fsprogs util-linux systemd)
	cargo test --release --test uml -- $(if $(JSON),--json) $(UML_KERNEL) $(UML_ROOT) $(DEB_HOST)

$(UML_KERNEL):
	@$(call install,$(UML_KERNEL_PACKAGES))
	$(UML_RECIPE)/kernel.sh /usr/src/linux-source-6.12.tar.xz $@

$(UML_ROOT):
	@$(call install,$(UML_ROOT_PACKAGES))
	$(SUDO) $(UML_RECIPE)/root.sh $@

# Debian's kernel, under emulation; the disk has the same contents as that of the other board.
BOARD_RECIPE := tests/board/arm64
BOARD := $(CACHE)/board-arm64-$(shell find $(BOARD_RECIPE)/image.sh $(BOARD_RECIPE)/root $(UML_RECIPE)/root.sh $(UML_RECIPE)/root -type f | \
	sort | xargs cat | sha256sum | cut -c 1-12)

.PHONY: test-board-arm64
test-board-arm64: deb $(BOARD) ## test the arm64 package on an emulated board: Debian's kernel and systemd on a Cortex-A72
	@$(call install,qemu-system-arm util-linux)
	cargo test --release --test arm64 -- $(if $(JSON),--json) $(BOARD) $(DEB_ARM64)

$(BOARD): | install-foreign-packages
	@$(call install,$(UML_ROOT_PACKAGES) kmod cpio)
	$(SUDO) cross/binfmt.sh
	$(SUDO) $(BOARD_RECIPE)/image.sh $@

# --- Home Assistant ---

HOME_RECIPE := tests/homeassistant
HOME_ROOT := $(CACHE)/homeassistant-$(shell cat $(HOME_RECIPE)/root.sh $(HOME_RECIPE)/requirements.py $(HOME_RECIPE)/version | sha256sum | cut -c 1-12)

.PHONY: test-homeassistant
test-homeassistant: build $(HOME_ROOT) ## test beside a real Home Assistant: entities, availability, privacy, statistics; a quarter of an hour
	$(SUDO) $(HOME_RECIPE)/run.sh $(HOME_ROOT) $(AFFECTD) /tmp check.py $(CHECKS)

.PHONY: screenshot-homeassistant
screenshot-homeassistant: build $(HOME_ROOT) ## take the picture of the device's page for the documentation
	$(SUDO) $(HOME_RECIPE)/run.sh $(HOME_ROOT) $(AFFECTD) docs/images check.py --screenshot /run/out/home-assistant.png

.PHONY: bench-homeassistant
bench-homeassistant: build $(HOME_ROOT) ## count the recorder's rows and the broker's bytes, with the defaults and without thrift: MINUTES=10
	@$(SUDO) $(HOME_RECIPE)/run.sh $(HOME_ROOT) $(AFFECTD) /tmp traffic.py --minutes $(or $(MINUTES),10) $(if $(JSON),--json)

$(HOME_ROOT):
	@$(call install,mmdebstrap)
	$(SUDO) $(HOME_RECIPE)/root.sh $@

# --- Node-RED ---

NODE_RED_VERSION := 4.1.15
NODE_RED := $(CACHE)/node-red-$(NODE_RED_VERSION)

.PHONY: test-node-red
test-node-red: build install-test-packages $(NODE_RED) ## run the example flow in a real Node-RED
	tests/examples/node_red.py $(NODE_RED) $(AFFECTD)

$(NODE_RED):
	@command -v npm > /dev/null || { $(call install,nodejs npm); }
	rm -rf $@.new && mkdir -p $@.new
	cd $@.new && npm install --silent --no-fund --no-audit node-red@$(NODE_RED_VERSION)
	mv $@.new $@

# --- Telegraf ---

# Ubuntu's package; Debian has none.
TELEGRAF_VERSION := 1.21.4+ds1-0ubuntu2
TELEGRAF_SHA256 := f30b420ae1325d2d3f3ae90bce6a5e045d4dd14fcd83f555f17bd63c4aa9289c
TELEGRAF := $(CACHE)/telegraf-$(TELEGRAF_VERSION)

.PHONY: test-telegraf
test-telegraf: build install-test-packages $(TELEGRAF) ## run the example configuration in a real Telegraf
	tests/examples/telegraf.py $(TELEGRAF)/usr/bin/telegraf $(AFFECTD)

$(TELEGRAF):
	rm -rf $@.new && mkdir -p $@.new
	curl --silent --show-error --fail --output $@.new/telegraf.deb \
		https://archive.ubuntu.com/ubuntu/pool/universe/t/telegraf/telegraf_$(TELEGRAF_VERSION)_amd64.deb
	echo "$(TELEGRAF_SHA256)  $@.new/telegraf.deb" | sha256sum --check --quiet
	dpkg-deb --extract $@.new/telegraf.deb $@.new
	mv $@.new $@

# --- releases ---

VERSION := $(shell sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

.PHONY: release
release: $(CYCLONEDX) ## build both packages, an SBOM and checksums, and tag the version
	cross/release.sh check
	$(MAKE) deb deb-host
	PATH="$(TOOLS)/bin:$$PATH" cross/release.sh build $(CACHE)/release/$(VERSION) \
		$(CACHE)/deb/affectd_$(VERSION)_arm64.deb $(CACHE)/deb/affectd_$(VERSION)_$$(dpkg --print-architecture).deb

$(CYCLONEDX):
	cargo install --locked cargo-cyclonedx@$(CYCLONEDX_VERSION) --root $(TOOLS) --target-dir $(TOOLS)/build
	rm -rf $(TOOLS)/build

.PHONY: manual
manual: install-build-packages ## regenerate manual pages and completions after a change of the command line
	WRITE_MANUAL=1 cargo test --release --test it manual

$(CARGO_DEB):
	cargo install --locked cargo-deb@$(CARGO_DEB_VERSION) --root $(TOOLS) --target-dir $(TOOLS)/build
	rm -rf $(TOOLS)/build

.PHONY: install-build-packages install-test-packages install-cross-packages install-armv7-packages install-deb-packages install-test-deb-packages \
	install-foreign-packages
install-build-packages:
	@$(call install,$(BUILD_PACKAGES))

install-test-packages:
	@$(call install,$(TEST_PACKAGES))

install-cross-packages:
	@dpkg --print-foreign-architectures | grep -qx arm64 || $(SUDO) dpkg --add-architecture arm64
	@$(call install,$(CROSS_PACKAGES))

install-armv7-packages:
	@$(call install,$(ARMV7_PACKAGES))

install-deb-packages:
	@$(call install,$(DEB_PACKAGES))

install-test-deb-packages:
	@$(call install,$(TEST_DEB_PACKAGES))

install-foreign-packages:
	@$(call install,$(FOREIGN_PACKAGES))

# Installs only missing packages, so that a second run needs neither network nor root.
define install
missing=; for package in $(1); do \
	dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
done; \
[ -z "$$missing" ] || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; }
endef
