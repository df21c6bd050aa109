#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Rust program with Cargo and Debian's libstd-rust-dev for the device's architecture.
#
#   build.sh SYSROOT DIRECTORY    builds in DIRECTORY, leaves the results in DIRECTORY/result, runs them
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sysroot=$(cd "$1" && pwd)
mkdir -p "$2/result"
cd "$2"
cp -r "$here/Cargo.toml" "$here/src" .
export CARGO_HOME="$PWD/cargo-home"
cargo --config "$sysroot/debxcross/cargo.toml" build --offline --release
cp target/*/release/hello result/
cargo --config "$sysroot/debxcross/cargo.toml" run --offline --release --quiet
