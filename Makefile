# `make demo` shows Prony at work on a real model, `make test` runs every test,
# `make bench` measures the figures the project answers for.

MODEL := .prony/models/SmolLM2-135M-Instruct.Q4_1.gguf
CARGO_TARGET_DIR ?= target
TOOLS := build

.PHONY: demo test bench setup lint

demo: setup
	cargo build --release --package prony
	$(CARGO_TARGET_DIR)/release/prony bench --engine $(MODEL) \
	  --scenario short_queries,long_documents,code_generation \
	  --concurrency 4 --num-prompts 8 --max-tokens 32

test: TOOLS := test
test: setup
	scripts/python-packages.sh .prony/venv
	cargo fmt --all --check
	cargo nextest run --workspace --no-fail-fast

bench: setup
	cargo build --release --package prony
	cargo xtask figures
	cargo bench --package provider --bench http_stack
	cargo bench --package engine --bench engine_ceiling

lint:
	cargo xtask ci

# What building, the demo and the measurements need; tests need more tools.
setup:
	scripts/tools.sh $(TOOLS)
	scripts/llama-library.sh .prony/llama
	scripts/model.sh .prony/models
