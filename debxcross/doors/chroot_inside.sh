#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Enters a root: runs inside fresh namespaces (or, with "copy", in none), sets up what a build
# sees of the machine, and becomes the command.
#
#   chroot_inside.sh METHOD LOWER UPPER WORK ROOT BINDS SERVE USER DIRECTORY COMMAND...
#
# METHOD is overlay (mount LOWER under UPPER at ROOT), overlay-userxattr (the same without
# privileges), or copy (ROOT is a copy already; nothing can be mounted).  BINDS is a file with
# lines "OUTSIDE INSIDE", mounted read-only.  SERVE is - or PORT:OUTSIDE, a directory that a web
# server shows at 127.0.0.1:PORT while the command runs.
set -eu
method=$1 lower=$2 upper=$3 work=$4 root=$5 binds=$6 serve=$7 user=$8 directory=$9
shift 9

devices='null zero full random urandom tty'

mount_everything() {
    mount --make-rprivate /
    options="lowerdir=$lower,upperdir=$upper,workdir=$work"
    [ "$method" = overlay ] || options="$options,userxattr"
    mount -t overlay -o "$options" overlay "$root"
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t tmpfs -o mode=0755,nosuid,size=1m tmpfs "$root/dev"
    for device in $devices; do
        : > "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s /proc/self/fd/0 "$root/dev/stdin"
    ln -s /proc/self/fd/1 "$root/dev/stdout"
    ln -s /proc/self/fd/2 "$root/dev/stderr"
    while read -r outside inside; do
        if [ -d "$outside" ]; then mkdir -p "$root$inside"; else : > "$root$inside"; fi
        mount --bind "$outside" "$root$inside"
        mount -o remount,bind,ro "$root$inside" 2>/dev/null || :
    done < "$binds"
    # The loopback interface of a private network starts down.
    ip link set lo up 2>/dev/null || :
}

copy_everything() {
    mount -t proc proc "$root/proc" 2>/dev/null || :
    for device in $devices; do
        [ -e "$root/dev/$device" ] || cp -a "/dev/$device" "$root/dev/$device"
    done
    while read -r outside inside; do
        # An earlier command of this session may have brought it in.
        [ ! -e "$root$inside" ] || continue
        mkdir -p "$root$inside"
        cp -a --reflink=auto "$outside/." "$root$inside/"
    done < "$binds"
}

if [ "$method" = copy ]; then copy_everything; else mount_everything; fi

if [ "$serve" != - ]; then
    setpriv --pdeathsig KILL python3 -m http.server --bind 127.0.0.1 \
        --directory "${serve#*:}" "${serve%%:*}" >/dev/null 2>&1 &
    # It listens when it accepts a connection; five seconds are plenty.
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
        python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' \
            "${serve%%:*}" 2>/dev/null && break
        sleep 0.2
    done
fi

umask 022
cd "$root"
home=/nonexistent
[ "$user" != root ] || home=/root
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC \
    HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh TERM=dumb DEBIAN_FRONTEND=noninteractive \
    /usr/bin/setpriv --reuid "$user" --regid "$user" --init-groups --inh-caps=-all -- \
    /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$directory" "$@"
