#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Boost.Python extension module with CMake, imported by an emulated interpreter.
#
#   build.sh SYSROOT DIRECTORY    builds in DIRECTORY, leaves the results in DIRECTORY/result, runs them
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sysroot=$(cd "$1" && pwd)
mkdir -p "$2/result"
cd "$2"
cmake -S "$here" -B build -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_TOOLCHAIN_FILE="$sysroot/debxcross/toolchain.cmake"
cmake --build build
cp build/greeting*.so build/interpreter result/
run=$(echo "$sysroot"/debxcross/bin/*-run)
PYTHONHOME=$sysroot/usr PYTHONPATH=$PWD/result "$run" result/interpreter \
    -c 'import greeting; print(greeting.greet("Boost.Python"))'
