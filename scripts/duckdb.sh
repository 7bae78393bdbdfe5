#!/bin/sh
# Installs DuckDB, which the store is measured against, into a virtual environment.
#
#   scripts/duckdb.sh DEST
#
# Running it again does nothing.
set -eu

version=2.0.1
[ $# -eq 1 ] || { echo "usage: $0 DEST" >&2; exit 2; }
dest=$1

if "$dest/bin/python" -c "import duckdb; assert duckdb.__version__ == '$version'" 2>/dev/null; then
    echo "duckdb: $dest has $version already"
    exit 0
fi
python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "duckdb: venv is missing (apt-get install python3-venv)" >&2; exit 1; }
echo "duckdb: installing $version into $dest, to ask it what the store is asked"
python3 -m venv --clear "$dest"
"$dest/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: "duckdb==$version"
