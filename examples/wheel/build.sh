#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Wheels of projects on PyPI, with pip and this sysroot; cffi unless others are named.  Needs the network.
#
#   build.sh SYSROOT DIRECTORY [REQUIREMENT...]    leaves wheels in DIRECTORY/result
#
# What the projects' C code needs must be in the sysroot (cffi: libffi-dev, which every sysroot has).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sysroot=$(cd "$1" && pwd)
mkdir -p "$2/result"
cd "$2"
shift
shift
# Build requirements are programs of this machine: they are installed before python.sh is sourced.
# The versions: older sdists know neither a newer setuptools nor PEP 639.
python=$(basename "$sysroot"/usr/include/python3.*)
"/usr/bin/$python" -m venv tools
tools/bin/pip --quiet install 'setuptools<75' wheel
export DEBXCROSS_SYSROOT="$sysroot"
. "$sysroot/debxcross/env.sh"
(
    . "$sysroot/debxcross/python.sh"
    # Without the cache: pip would keep the device's wheels among this machine's.
    tools/bin/pip --quiet wheel --no-cache-dir --no-deps --no-build-isolation --no-binary :all: \
        --wheel-dir result "${@:-cffi==1.15.1}"
    # shellcheck disable=SC2046
    $CC -o interpreter "$here/../python-extension/interpreter.c" $($PKG_CONFIG --cflags --libs python3-embed)
)
ls result
[ $# = 0 ] || exit 0
mkdir -p site
for wheel in result/*.whl; do
    python3 -m zipfile -e "$wheel" site
done
# A callback goes from the device's Python through libffi into glibc and back.
PYTHONHOME=$sysroot/usr PYTHONPATH=$PWD/site "$DEBXCROSS_RUN" interpreter -c '
import _cffi_backend as backend
integer, pointer = backend.new_primitive_type("int"), backend.new_void_type()
function = backend.new_function_type((integer,), integer)
double = backend.callback(function, lambda number: 2 * number)
print("hello from a cffi callback:", double(21))'
