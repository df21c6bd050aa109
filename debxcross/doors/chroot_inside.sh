#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prepares a root: runs inside fresh namespaces (or, with "copy", in none), mounts what a build
# sees of the machine, and hands over to chroot_enter.py, which becomes the command.
#
#   chroot_inside.sh METHOD LOWER UPPER WORK ROOT BINDS PYTHON SERVE FIRST COUNT BOUNDS USER DIRECTORY COMMAND...
#
# LOWER are directories, a line each, the highest first.
# METHOD is overlay (mount LOWER under UPPER at ROOT), overlay-userxattr (the same without
# privileges), or copy (ROOT is a copy already).  UPPER, WORK and ROOT are in one directory.  BINDS
# is a file with lines "OUTSIDE<tab>INSIDE", mounted read-only.  SERVE is - or PORT:OUTSIDE, a
# directory that a web server shows at 127.0.0.1:PORT while the command runs; PYTHON runs it.
# FIRST ("UID:GID") and COUNT are the ids that the root's users have here.  BOUNDS is for chroot_enter.py.
set -eu
method=$1 lower=$2 upper=$3 work=$4 root=$5 binds=$6 python=$7
shift 7
serve=$1 first=$2 count=$3 bounds=$4 user=$5 directory=$6
shift 6

devices='null zero full random urandom tty'
tab=$(printf '\t')

# Makes a place to mount at: point INSIDE [LIKE].  It is a directory, or a file where LIKE is one.  What ran
# in the root before may have made a link of any part of the path, to somewhere outside of it.
point() {
    path=$root rest=${1#/}
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        path=$path/$part
        if [ "$part" = "$rest" ]; then rest=; else rest=${rest#*/}; fi
        if [ -L "$path" ]; then
            echo "${path#"$root"} in the root is a symbolic link: nothing is mounted there" >&2
            exit 1
        fi
        [ ! -e "$path" ] || continue
        if [ -n "$rest" ] || [ -z "${2-}" ] || [ -d "$2" ]; then mkdir "$path"; else : > "$path"; fi
        chown -h "$first" "$path"
    done
}

mount_everything() {
    mount --make-rprivate /
    # Names without a path: in one, overlayfs would take ":" and "," for its own.
    cd "${work%/*}"
    number=0 stack=
    while IFS= read -r one; do
        ln -sfn "$one" "lower$number"
        stack=${stack:+$stack:}lower$number number=$((number + 1))
    done <<LOWER
$lower
LOWER
    options="lowerdir=$stack,upperdir=${upper##*/},workdir=${work##*/}"
    [ "$method" = overlay ] || options="$options,userxattr"
    chown "$first" "$upper"
    mount -t overlay -o "$options" overlay "$root"
    owned="uid=${first%:*},gid=${first#*:}"
    point /proc; point /dev
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t tmpfs -o "mode=0755,nosuid,size=1m,$owned" tmpfs "$root/dev"
    for device in $devices; do
        : > "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts "$root/dev/pts"
    mount -t tmpfs -o "mode=1777,nosuid,nodev,size=25%,$owned" tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s /proc/self/fd/0 "$root/dev/stdin"
    ln -s /proc/self/fd/1 "$root/dev/stdout"
    ln -s /proc/self/fd/2 "$root/dev/stderr"
    while IFS="$tab" read -r outside inside; do
        point "$inside" "$outside"
        mount --bind "$outside" "$root$inside"
        mount -o remount,bind,ro "$root$inside"
    done < "$binds"
    # The machine's name must not get into a result.
    hostname debxcross
    # The loopback interface of a private network starts down.  Without iproute2: SIOCGIFFLAGS,
    # SIOCSIFFLAGS, IFF_UP (netdevice(7)).
    ip link set lo up 2>/dev/null || "$python" -c 'import fcntl, socket, struct
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flags, = struct.unpack("16xh14x", fcntl.ioctl(door, 0x8913, struct.pack("16sh14x", b"lo", 0)))
if not flags & 1:
    fcntl.ioctl(door, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))'
}

copy_everything() {
    for device in $devices; do
        [ -e "$root/dev/$device" ] || cp -a "/dev/$device" "$root/dev/$device"
    done
    while IFS="$tab" read -r outside inside; do
        # An earlier command of this session may have brought it in.
        [ ! -e "$root$inside" ] || continue
        point "${inside%/*}"
        cp -a --reflink=auto "$outside" "$root$inside"
    done < "$binds"
}

start_server() {
    listens=$work.listens
    rm -f "$listens"
    # It reads, and that is all: without this, root could write whatever it can name.
    setpriv --pdeathsig KILL --no-new-privs --inh-caps=-all --bounding-set=-all,+dac_read_search -- \
        "$python" -I -S -c 'import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler)
open(sys.argv[3], "w").close()
server.serve_forever()' "${serve%%:*}" "${serve#*:}" "$listens" >/dev/null 2>"$work.server" &
    server=$!
    while [ ! -e "$listens" ]; do
        if ! kill -0 "$server" 2>/dev/null; then
            echo "no web server at port ${serve%%:*}: $(tail -n 1 "$work.server")" >&2
            exit 1
        fi
        sleep 0.05
    done
}

# The server sees the machine's files; what it serves may run programs of anybody's.  So it stays in the
# namespaces that are here now, and the root gets others: there /proc shows no process of these.
if [ "$serve" != - ]; then
    start_server
    if [ "$method" != copy ] || unshare --mount --pid --fork true 2>/dev/null; then
        exec unshare --mount --pid --fork --kill-child -- sh "$0" "$method" "$lower" "$upper" "$work" "$root" \
            "$binds" "$python" - "$first" "$count" "$bounds" "$user" "$directory" "$@"
    fi
fi
if [ "$method" = copy ]; then copy_everything; else mount_everything; fi

cd "$root"
home=/nonexistent
[ "$user" != root ] || home=/root
mode=pivot
[ "$method" != copy ] || mode=chroot
set -- "$python" -I -S "${0%/*}/chroot_enter.py" "$mode" "$root" "$first" "$count" "$user" "$bounds" \
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC \
    HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh TERM=dumb DEBIAN_FRONTEND=noninteractive \
    /usr/bin/setpriv --reuid "$user" --regid "$user" --init-groups --inh-caps=-all --pdeathsig KILL -- \
    /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$directory" "$@"
# A proc mounted in the machine's own namespace would outlive the command: only in one of its own.
if [ "$method" = copy ] && unshare --mount --pid --fork true 2>/dev/null; then
    set -- unshare --mount --pid --fork --kill-child sh -c \
        'mount -t proc proc "$1/proc" 2>/dev/null || :; shift; exec "$@"' sh "$root" "$@"
fi
exec "$@"
