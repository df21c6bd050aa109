#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds a project in CI with the sysroot that a lock describes.
#
#   build.sh LOCK CACHE COMMAND...
#
# LOCK is the manifest.json of a sysroot, kept with the project.  The sysroot is made once and kept
# in CACHE under the lock's digest; COMMAND runs with SYSROOT set.  Needs neither namespaces nor root.
set -eu
lock=$1 cache=$2
shift 2
architecture=$(sed -n 's/^ "architecture": "\(.*\)",$/\1/p' "$lock")
key=$(sha256sum "$lock" | cut -d ' ' -f 1)
SYSROOT=$cache/$key
export SYSROOT
mkdir -p "$cache"
if [ -d "$SYSROOT" ]; then
    echo "sysroot $key: cached" >&2
else
    # It appears by one rename; another job that made it first is as good.
    debxcross sysroot create "$architecture" --from-lock "$lock" --output "$SYSROOT" >&2 || [ -d "$SYSROOT" ]
fi
"$@"
