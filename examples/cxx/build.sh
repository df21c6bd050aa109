#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A program in C++, with make's variables from env.sh.
#
#   build.sh SYSROOT DIRECTORY    builds in DIRECTORY, leaves the results in DIRECTORY/result, runs them
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sysroot=$(cd "$1" && pwd)
mkdir -p "$2/result"
cd "$2"
export DEBXCROSS_SYSROOT="$sysroot"
. "$sysroot/debxcross/env.sh"
$CXX -std=c++17 -O2 -Wall -Werror -o result/hello "$here/hello.cpp" -pthread
"$DEBXCROSS_RUN" result/hello
