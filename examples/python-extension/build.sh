#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Python extension as a wheel with setuptools, imported by an emulated interpreter.
#
#   build.sh SYSROOT DIRECTORY    builds in DIRECTORY, leaves the results in DIRECTORY/result, runs them
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sysroot=$(cd "$1" && pwd)
mkdir -p "$2/result"
cd "$2"
cp "$here/setup.py" "$here/answer.c" .
# Debian's, with setuptools and wheel, of the sysroot's version: the wheel's tags come from it.
python=/usr/bin/$(basename "$sysroot"/usr/include/python3.*)
export DEBXCROSS_SYSROOT="$sysroot"
(
    . "$sysroot/debxcross/env.sh"
    . "$sysroot/debxcross/python.sh"
    "$python" setup.py --quiet bdist_wheel --dist-dir result
    # shellcheck disable=SC2046
    $CC -o result/interpreter "$here/interpreter.c" $($PKG_CONFIG --cflags --libs python3-embed)
)
ls result
"$python" -m zipfile -e result/*.whl result
run=$(echo "$sysroot"/debxcross/bin/*-run)
PYTHONHOME=$sysroot/usr PYTHONPATH=$PWD/result "$run" result/interpreter \
    -c 'import answer; print("hello from a Python extension:", answer.answer())'
