#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A C library and a program with Meson, which also runs the test under emulation.
#
#   build.sh SYSROOT DIRECTORY    builds in DIRECTORY, leaves the results in DIRECTORY/result, runs them
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sysroot=$(cd "$1" && pwd)
mkdir -p "$2/result"
cd "$2"
export DEBXCROSS_SYSROOT="$sysroot"
. "$sysroot/debxcross/env.sh"
meson setup --cross-file "$sysroot/debxcross/meson.ini" build "$here"
meson compile -C build
meson test -C build
cp build/checksum result/
"$DEBXCROSS_RUN" result/checksum
