# `make help` lists the targets. `make setup` once, then `make run` or `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

# What setup installs for this repository only comes first.
TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(TOOLS)/node_modules/node/bin:$(HOME)/.cargo/bin:$(PATH)
# Everything is built from the lock files.
CARGO_FLAGS ?= --locked

# What is built for one purpose is there for the next only if all its dependencies have the same features: cargo gives them those that
# the chosen packages want, and those of tests only if a test or an example is built. Where a part of the workspace suffices, it is
# named as a part of the whole, with an example.
LIKE_TESTS := --workspace --example bridge

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

KUBERNETES_VALIDATE := $(TOOLS)/kubernetes-validate

WEB := web
E2E := tests/e2e
PAGE := $(WEB)/meet/dist/index.html
PAGE_SOURCES := $(shell find $(WEB) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

# Settings of the node, for instance ARGS="--port 4000".
ARGS ?=
# Fuzzing time per target in `make fuzz-run`.
FUZZ_SECONDS ?= 30

## Use

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-26s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what building and testing need (Debian, Ubuntu); quick when all is there.
	@scripts/setup.sh

.PHONY: run
run: build ## Build and start a node on http://localhost:3000; ARGS="…" are its flags.
	@exec target/release/plenum serve $(ARGS)

.PHONY: cluster
cluster: build ## Build and start a Redis and three nodes on http://localhost:3001 to 3003; ARGS="…" are flags of each.
	@exec scripts/cluster.sh target/release/plenum $(ARGS)

.PHONY: build
build: page ## Build the optimised binary with the web page inside.
	cargo build $(CARGO_FLAGS) --release --package plenum

.PHONY: page
page: $(PAGE) ## Build the web page.

$(PAGE): $(PAGE_SOURCES) $(WEB)/node_modules/.package-lock.json
	cd $(WEB) && npm run --silent build
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	@touch $@

## Check

.PHONY: test
test: setup lint test-rust test-web test-e2e bench-instructions fuzz-build ## Everything that must pass before a change is taken.

.PHONY: lint
lint: fmt-check clippy layers deploy-check deny doc ## Formatting, lints, layers, board and alerts, licences, documentation.

.PHONY: fmt
fmt: ## Format everything.
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	cd $(WEB) && npm run --silent format

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check

.PHONY: clippy
clippy: page
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

.PHONY: layers
layers: xtask
	target/debug/xtask layers

# With the features of the whole workspace, as the tests want it.
.PHONY: xtask
xtask:
	cargo build $(CARGO_FLAGS) --workspace --bin xtask

.PHONY: deploy-check
deploy-check: xtask $(KUBERNETES_VALIDATE)
	target/debug/xtask deploy
	PYTHONPATH=$(KUBERNETES_VALIDATE) python3 -m kubernetes_validate --strict --quiet deploy/kubernetes/*.yaml

$(KUBERNETES_VALIDATE): deploy/kubernetes/requirements.txt
	rm -rf $@.part
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --target $@.part -r $<
	rm -rf $@ && mv $@.part $@ && touch $@

.PHONY: deny
deny: $(CARGO_DENY)
	$(CARGO_DENY) --locked check --hide-inclusion-graph bans licenses sources

# Optimisation would double the build and save a second per run.
$(CARGO_DENY):
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64 CARGO_PROFILE_RELEASE_DEBUG=0 \
	cargo install --locked --no-default-features --version $(CARGO_DENY_VERSION) \
		--root $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION) --no-track cargo-deny

# Without the binary that has the name of its library, which would be documented in its place.
.PHONY: doc
doc: page
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) $(LIKE_TESTS) --no-deps --lib --bin plenum --bin '[!p]*'

# Most of the time tests of whole nodes wait for what somebody else does: two for each core keep it busy.
TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))

.PHONY: test-rust
test-rust: page
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test $(CARGO_FLAGS) --workspace

.PHONY: test-web
test-web: $(WEB)/node_modules/.package-lock.json
	cd $(WEB) && npm run --silent check

.PHONY: test-e2e
test-e2e: page $(E2E)/node_modules/.package-lock.json ## Chromium against a real node.
	cargo build $(CARGO_FLAGS) $(LIKE_TESTS) --bin plenum
	cd $(E2E) && npm run --silent check && npx --no-install playwright test

# What the rounds of each took, as the tests write it down.
PROMISES := $(CURDIR)/target/promises.tsv

.PHONY: test-long
test-long: page fuzz-run ## What takes too long for every change: many more random cases, fuzzing, minutes of people who come and go.
	rm -f $(PROMISES)
	PROPTEST_CASES=2000 PLENUM_LONG_TESTS=1 PLENUM_PROMISES=$(PROMISES) cargo test $(CARGO_FLAGS) --workspace
	scripts/promises.sh $(PROMISES)

.PHONY: promises
promises: page ## Let nodes, workers, networks and Redis die, twenty times each; writes docs/cluster/promises.md.
	rm -f $(PROMISES)
	PLENUM_LONG_TESTS=1 PLENUM_PROMISES=$(PROMISES) cargo test $(CARGO_FLAGS) --package plenum --test it cluster:: \
		&& failed=0 || failed=$$?; scripts/promises.sh $(PROMISES); exit $$failed

## Measure

.PHONY: bench
bench: ## Every benchmark of speed and memory, under 15 minutes when it is built; writes docs/perf/DATE.md.
	scripts/bench.sh

# For instance REF=HEAD~10 BENCH=bench-worker ROUNDS=5 ARGS=gigabit.
BENCH ?= bench-forward
ROUNDS ?= 5
.PHONY: bench-compare
bench-compare: ## A benchmark of the commit REF and of what is here, in turn; BENCH, ROUNDS and ARGS say which and how.
	@test -n "$(REF)" || { echo 'REF=… is the commit to compare with' >&2; exit 2; }
	scripts/bench-compare.sh "$(REF)" $(BENCH) $(ROUNDS) $(ARGS)

.PHONY: bench-forward
bench-forward: ## Cost of forwarding beside bare send loops; writes target/bench-forward-*.json.
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-forward -- $(ARGS)

.PHONY: bench-scale
bench-scale: ## Cost of forwarding by the number of subscribers; writes target/bench-scale.json.
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-scale

.PHONY: bench-meeting
bench-meeting: ## Cost of forwarding in a meeting of 25; writes target/bench-meeting.json.
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-meeting

.PHONY: bench-worker
bench-worker: ## A real worker: a gigabit, real pictures, meetings, saturation; ARGS="veth" without offloads; writes target/bench-worker-*.json.
	cargo build $(CARGO_FLAGS) --release --package plenum-worker --bin plenum-worker
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-worker -- $(ARGS)

.PHONY: bench-control
bench-control: ## Control operations a second on a real worker, and what its objects weigh; writes target/bench-control.json.
	cargo build $(CARGO_FLAGS) --release --package plenum-worker --bin plenum-worker
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-control

.PHONY: bench-client
bench-client: ## Cost of a native client's packets on our own parts and on str0m; writes target/bench-client.json.
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-client

.PHONY: bench-joins
bench-joins: ## Joins of a real node by three dialects, churn, memory, restarts (ARGS=--full: a minute of churn); writes target/bench-joins.json.
	cargo build $(CARGO_FLAGS) --release --package plenum
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-joins -- $(ARGS)

.PHONY: bench-bwe
bench-bwe: ## How receivers behind narrow links are served, in virtual time; writes docs/perf/bwe.
	cargo run $(CARGO_FLAGS) --release --package plenum-bench --bin bench-bwe -- --write docs/perf/bwe $(ARGS)

# A profile of its own: like a release, without the minutes that its last per cents take.
COUNT := cargo run $(CARGO_FLAGS) --quiet --profile count --package plenum-bench --bin count-instructions --

.PHONY: bench-instructions
bench-instructions: ## Instructions of hot functions, compared with benches/instructions.toml.
	$(COUNT) check

.PHONY: bench-instructions-update
bench-instructions-update: ## Take over what hot functions cost now.
	$(COUNT) update

## Fuzz

# Instrumentation as libFuzzer wants it, by flags that a stable compiler takes. The sanitizers, which it does not
# take, would find little: only crates/media/udp has `unsafe`, and it parses nothing.
FUZZ_FLAGS := --cfg fuzzing -C passes=sancov-module \
	-C llvm-args=-sanitizer-coverage-level=4 \
	-C llvm-args=-sanitizer-coverage-inline-8bit-counters \
	-C llvm-args=-sanitizer-coverage-pc-table \
	-C llvm-args=-sanitizer-coverage-trace-compares
FUZZ_TARGETS := $(notdir $(basename $(wildcard fuzz/src/bin/*.rs)))

.PHONY: fuzz-build
fuzz-build: ## Build every fuzz target and try it on a few inputs.
	@scripts/fuzz-targets.sh --check
	@cp Cargo.lock fuzz/Cargo.lock && mkdir -p $(dir $(PAGE))
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --manifest-path fuzz/Cargo.toml --target "$$(rustc --print host-tuple)" --bins
	@for name in $(FUZZ_TARGETS); do \
		fuzz/target/$$(rustc --print host-tuple)/debug/$$name -runs=20000 -seed=1 -verbosity=0 \
			-artifact_prefix=fuzz/target/ >fuzz/target/$$name.log 2>&1 \
			|| { cat fuzz/target/$$name.log; exit 1; }; \
	done
	@echo "fuzz targets built and tried: $(words $(FUZZ_TARGETS))"

.PHONY: fuzz-run
fuzz-run: fuzz-build ## Fuzz every target for FUZZ_SECONDS, starting from what is kept in fuzz/corpus.
	@for name in $(FUZZ_TARGETS); do \
		corpus=fuzz/target/corpus/$$name; \
		scripts/fuzz-corpus.sh unpack $$name $$corpus; \
		mkdir -p fuzz/artifacts/$$name; echo "== $$name"; \
		fuzz/target/$$(rustc --print host-tuple)/debug/$$name -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=fuzz/artifacts/$$name/ $$corpus; \
	done

.PHONY: fuzz-keep
fuzz-keep: ## Put what fuzz-run has found into fuzz/corpus, without what adds nothing.
	@for name in $(FUZZ_TARGETS); do \
		corpus=fuzz/target/corpus/$$name; merged=fuzz/target/merged/$$name; \
		rm -rf $$merged; mkdir -p $$merged; \
		fuzz/target/$$(rustc --print host-tuple)/debug/$$name -merge=1 -verbosity=0 $$merged $$corpus >fuzz/target/$$name.log 2>&1; \
		scripts/fuzz-corpus.sh pack $$name $$merged; \
	done
