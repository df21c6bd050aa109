#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# An OpenSSL client in C with zlib; the flags come from pkg-config.
#
#   build.sh SYSROOT DIRECTORY    builds in DIRECTORY, leaves the results in DIRECTORY/result, runs them
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sysroot=$(cd "$1" && pwd)
mkdir -p "$2/result"
cd "$2"
export DEBXCROSS_SYSROOT="$sysroot"
. "$sysroot/debxcross/env.sh"
# shellcheck disable=SC2046
$CC -O2 -Wall -Werror -o result/client "$here/client.c" $($PKG_CONFIG --cflags --libs openssl zlib)
"$DEBXCROSS_RUN" result/client
