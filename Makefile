# `make demo` shows Prony at work on a real model, `make test` runs every test,
# `make bench` measures the figures the project answers for.

MODEL := .prony/models/SmolLM2-135M-Instruct.Q4_1.gguf
DEMO_MODEL := .prony/models/SmolLM2-135M-Instruct.Q8_0.gguf
CARGO_TARGET_DIR ?= target
TOOLS := build

.PHONY: demo test bench setup lint demo-programs

# 20 answers a scenario are what a median takes; documents of 500 tokens what two cores read in time.
demo: demo-programs $(DEMO_MODEL)
	$(CARGO_TARGET_DIR)/release/prony bench --engine $(DEMO_MODEL) \
	  --scenario short_queries,long_documents:500,code_generation \
	  --concurrency 4 --num-prompts 20 --temperature 0

demo-programs: setup
	cargo build --release --package prony --bin prony --package llama --example quantize

$(DEMO_MODEL): | demo-programs
	@echo "model: writing it as Q8_0, which keeps what Q4_1 holds and reads prompts twice as fast or more:"
	@echo "       llama.cpp has kernels for many tokens at once for Q8_0, and none for Q4_1"
	$(CARGO_TARGET_DIR)/release/examples/quantize $(MODEL) $@ q8_0

# The tests in Rust come last, as their last line sums up.
test: TOOLS := test
test: setup
	scripts/dashboard-tests.sh logic
	scripts/python-packages.sh .prony/venv
	cargo fmt --all --check
	cargo nextest run --workspace --no-run
	PRONY=$(CARGO_TARGET_DIR)/debug/prony scripts/dashboard-tests.sh browser
	cargo nextest run --workspace --no-fail-fast

bench: TOOLS := test
bench: setup
	scripts/duckdb.sh .prony/duckdb
	cargo build --release --package prony --package archive --package collect --package store
	cargo xtask figures
	cargo bench --package provider --bench http_stack
	cargo bench --package engine --bench engine_ceiling
	cargo nextest run --workspace --run-ignored only -E 'test(survives_a_hundred_kills)'

lint:
	cargo xtask ci

# What building, the demo and the measurements need; tests need more tools.
setup:
	scripts/tools.sh $(TOOLS)
	scripts/llama-library.sh .prony/llama
	scripts/model.sh .prony/models
