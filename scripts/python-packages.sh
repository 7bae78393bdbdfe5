#!/bin/sh
# Installs the official OpenAI and Anthropic Python packages, and what Prony's own client is tested
# with, pinned in tests/python/requirements.txt, into a virtual environment for the tests.
#
#   scripts/python-packages.sh DEST
#
# Running it again does nothing, until the pins change.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 DEST" >&2; exit 2; }
requirements=$(dirname "$0")/../tests/python/requirements.txt
dest=$1

if cmp -s "$requirements" "$dest/installed.txt"; then
    echo "python packages: $dest has them already"
    exit 0
fi
command -v python3 >/dev/null || { echo "python packages: python3 is missing (apt-get install python3 python3-venv)" >&2; exit 1; }
python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "python packages: venv is missing (apt-get install python3-venv)" >&2; exit 1; }

echo "python packages: installing openai, anthropic, httpx and pytest into $dest, to test the endpoints with"
python3 -m venv --clear "$dest"
"$dest/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --requirement "$requirements"
"$dest/bin/python" -m pip check --quiet --disable-pip-version-check >&2
# Last, so that an installation broken off is done again.
cp "$requirements" "$dest/installed.txt"
