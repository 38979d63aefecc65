# `make demo` runs the main job, `make test` passes the tests; both install what they need.
# `make help` lists every target.

# tract alone compiles for ten minutes: the target folder outlives the clone.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/affectd/target

# So do the tools that crates.io has and Debian has not.
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/affectd/tools
DENY_VERSION := 0.20.2
DENY := $(TOOLS)/bin/cargo-deny

AFFECTD := $(CARGO_TARGET_DIR)/release/affectd
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# bindgen (v4l) needs libclang; the tests talk to a real mosquitto.
BUILD_PACKAGES := build-essential libclang-dev
TEST_PACKAGES := mosquitto

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: build ## build, and run the bundled clip through the whole line
	$(AFFECTD) demo

.PHONY: build
build: install-build-packages
	cargo build --release

.PHONY: test
test: install-build-packages install-test-packages ## format, lints, documentation, unit and end-to-end tests
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	cargo test --release

.PHONY: test-slow
test-slow: install-build-packages install-test-packages deny ## the tests that need minutes, and the dependencies' licences
	cargo test --release -- --ignored

.PHONY: deny
deny: $(DENY) ## licences and sources of the dependencies; `cargo deny check` asks for advisories too
	$(DENY) check licenses bans sources

$(DENY):
	cargo install --locked cargo-deny@$(DENY_VERSION) --root $(TOOLS) --target-dir $(TOOLS)/build
	rm -rf $(TOOLS)/build

.PHONY: install-build-packages install-test-packages
install-build-packages:
	@$(call install,$(BUILD_PACKAGES))

install-test-packages:
	@$(call install,$(TEST_PACKAGES))

# Asks apt only for what is missing, so that a second run needs neither network nor root.
define install
missing=; for package in $(1); do \
	dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
done; \
[ -z "$$missing" ] || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; }
endef
