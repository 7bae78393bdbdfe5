# `make demo` shows Prony at work on a real model, `make test` runs every test,
# `make bench` measures the figures the project answers for.

MODEL := .prony/models/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: demo test bench setup tools lint

demo: setup
	cargo build --release --package prony
	target/release/prony bench --engine $(MODEL) \
	  --scenario short_queries,long_documents,code_generation \
	  --concurrency 4 --num-prompts 8 --max-tokens 32

test: setup
	scripts/python-packages.sh .prony/venv
	cargo fmt --all --check
	cargo nextest run --workspace --no-fail-fast

bench: setup
	cargo build --release --package prony
	cargo xtask figures
	cargo bench --package engine --bench engine_ceiling

lint:
	cargo xtask ci

setup: tools
	scripts/llama-library.sh .prony/llama
	scripts/model.sh .prony/models

tools:
	scripts/tools.sh
