#!/bin/sh
# Fetches the ready-made llama.cpp libraries that the embedded engine opens at run time.
#
#   scripts/llama-library.sh DEST
#
# They come from the npm package @node-llama-cpp/linux-x64 (MIT; 11 MB; llama.cpp's own release
# v0.5.0, its CPU backend in 14 variants of which the best for this machine is chosen at run time).
# Of the package only libllama, libggml and the CPU backends are kept. Running it again does nothing.
# For another platform or a GPU, build llama.cpp v0.5.0 as shared libraries with
# `cmake -B build -DBUILD_SHARED_LIBS=ON -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON
# -DGGML_NATIVE=OFF` (and -DGGML_CUDA=ON, -DGGML_VULKAN=ON, ... ), and point Prony at its folder.
set -eu

package=@node-llama-cpp/linux-x64
version=3.22.1
sha256=0d953e1503d5ab4608d8ed5b739132308c81ac05ffeb760d2a7f30e08a9f90e0
license=MIT

[ $# -eq 1 ] || { echo "usage: $0 DEST" >&2; exit 2; }
mkdir -p "$1"
dest=$(cd "$1" && pwd)
stamp="$dest/.version"

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$package@$version" ]; then
    echo "llama.cpp libraries: $dest has $package@$version already"
    exit 0
fi
if [ "$(uname -s) $(uname -m)" != "Linux x86_64" ]; then
    echo "llama.cpp libraries: $package is for Linux on x86-64; this is $(uname -s) on $(uname -m)." >&2
    echo "Build llama.cpp v0.5.0 yourself as the head of $0 says, and set PRONY_LLAMA_DIR to it." >&2
    exit 1
fi
command -v npm >/dev/null || { echo "llama.cpp libraries: npm is missing (apt-get install npm)" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "llama.cpp libraries: fetching $package@$version ($license, 11 MB), the embedded engine's inference code"
(cd "$work" && npm pack --silent "$package@$version" >/dev/null 2>npm.log) || { cat "$work/npm.log" >&2; exit 1; }
archive=$(echo "$work"/*.tgz)
echo "$sha256  $archive" | sha256sum --check --quiet || {
    echo "llama.cpp libraries: $package@$version is not the file that was pinned; not used" >&2
    exit 1
}
tar -xzf "$archive" -C "$work"
rm -f "$dest"/libggml*.so "$dest"/libllama*.so
for file in "$work"/package/bins/linux-x64/libggml*.so "$work"/package/bins/linux-x64/libllama.*so; do
    install -m 644 "$file" "$dest/"
done
install -m 644 "$work/package/LICENSE" "$dest/LICENSE"
echo "$package@$version" >"$stamp"
echo "llama.cpp libraries: in $dest"
