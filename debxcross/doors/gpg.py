# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to GnuPG: the archive's signing key, signatures, and what gpgv says of them.

A home directory (0700, its files 0600) lies outside the web root.  gpg-agent is needed for
every use of a secret key; it is ended before the home is let go, and one lock per home
keeps two runs from ending each other's agent.
"""
from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from debxcross.doors import process
from debxcross.errors import PublishError

#: RFC 4880 section 9.1 and RFC 9580: RSA, EdDSA.  sqv of Debian 13 refuses DSA.
_RSA, _EDDSA = 1, 22
_SMALLEST_RSA = 3072
#: RFC 4880 section 9.4: SHA256, SHA384, SHA512.
_STRONG_DIGESTS = (8, 9, 10)
#: A socket's address has 108 bytes (unix(7)); gpg-agent adds "/S.gpg-agent.browser".
_LONGEST_TEMPORARY = 60
_AGENT_SECONDS = 2.0


@dataclass(frozen=True)
class SigningKey:
    """A primary key of a home.

    ``algorithm`` is RFC 4880's number, ``bits`` its length; ``created`` and ``expires`` are in
    seconds since the epoch (``expires`` 0: never); ``validity`` is GnuPG's letter ("e" expired,
    "r" revoked, "u" our own); ``secret`` says whether the home can sign with it.
    """

    fingerprint: str
    algorithm: int
    bits: int
    created: int
    expires: int
    validity: str
    user_id: str
    secret: bool


@dataclass(frozen=True)
class Verification:
    """A good signature: who made it, with which digest (RFC 4880's number), over which text.

    ``text`` is what was signed, as gpgv read it; "" for a detached signature.
    """

    fingerprint: str
    digest_algorithm: int
    text: str


def gpg_argv(home: Path, *arguments: str) -> tuple[str, ...]:
    """Return a gpg command line that asks nobody and reads no configuration."""
    return ("gpg", "--homedir", str(home), "--no-options", "--batch", "--no-tty", "--quiet",
            "--pinentry-mode", "loopback", "--passphrase", "", *arguments)


def make_argv(home: Path, user_id: str) -> tuple[str, ...]:
    """Return the command that makes a key which gpgv of Debian 8 to 13 and sqv accept."""
    return gpg_argv(home, "--cert-digest-algo", "SHA512", "--quick-generate-key", user_id,
                    "rsa4096", "sign", "5y")


def sign_argv(home: Path, fingerprint: str, document: Path, output: Path,
              *, detached: bool) -> tuple[str, ...]:
    """Return the command that signs ``document``: armored beside it, or in one clear text."""
    form = ("--armor", "--detach-sign") if detached else ("--clearsign",)
    return gpg_argv(home, "--digest-algo", "SHA512", "--local-user", f"{fingerprint}!",
                    "--yes", "--output", str(output), *form, str(document))


def verify_argv(keyring: Path, signed: Path, signature: Path | None, text: Path) -> tuple[str, ...]:
    """Return the gpgv command; its status lines go to standard output."""
    start = ("gpgv", "--status-fd", "1", "--keyring", str(keyring))
    if signature:
        return (*start, str(signature), str(signed))
    return (*start, "--output", str(text), str(signed))


def make_key(home: Path, user_id: str) -> SigningKey:
    """Return the home's signing key; make home and key on first use.

    Runs at the same time make one key; a run that is killed leaves none.  Raises
    PublishError when the home is there and cannot sign.
    """
    home = home.absolute()
    home.parent.mkdir(parents=True, exist_ok=True)
    with _locked(home.with_name(f"{home.name}.lock")):
        if not home.exists() or not any(home.iterdir()):
            # Made beside its place and renamed, so that a home is never half a home.
            for left in sorted(home.parent.glob(f"{home.name}.new-*")):
                with _session(left):
                    pass  # The agent of the killed run ends.
                shutil.rmtree(left, ignore_errors=True)
            new = Path(tempfile.mkdtemp(prefix=f"{home.name}.new-", dir=home.parent))
            with _session(new) as short:
                process.run(make_argv(short, user_id)).check(
                    PublishError, "gpg could not make a signing key",
                    f"See what gpg says above; {home} was left as it was.")
            _close_permissions(new)
            os.replace(new, home)
        return signing_key(home)


def keys(home: Path) -> tuple[SigningKey, ...]:
    """Return the primary keys of a home by age, the oldest first.

    Raises PublishError when the home is not there.
    """
    home = home.absolute()
    if not home.is_dir():
        raise PublishError(f"there is no key directory {home}",
                           resolution="Restore it from its backup, or publish once to make a new key.")
    with _session(home) as short:
        listing = ("--with-colons", "--fixed-list-mode")
        public = process.run(gpg_argv(short, *listing, "--list-keys")).check(
            PublishError, f"gpg cannot read {home}", "Restore it from its backup.")
        secret = process.run(gpg_argv(short, *listing, "--list-secret-keys")).check(
            PublishError, f"gpg cannot read the secret keys of {home}", "Restore it from its backup.")
    return parse_keys(public.stdout, secret.stdout)


def parse_keys(public: str, secret: str) -> tuple[SigningKey, ...]:
    """Read ``--with-colons`` listings (GnuPG's doc/DETAILS) of the public and the secret keys."""
    usable = {fingerprint for record, fingerprint, _ in _primaries(secret) if record[14] != "#"}
    found = [
        SigningKey(fingerprint, int(record[3] or 0), int(record[2] or 0), int(record[5] or 0),
                   int(record[6] or 0), record[1], user_id, fingerprint in usable)
        for record, fingerprint, user_id in _primaries(public)
    ]
    return tuple(sorted(found, key=lambda key: (key.created, key.fingerprint)))


def _primaries(listing: str) -> Iterator[tuple[list[str], str, str]]:
    """Yield (pub or sec record, fingerprint, first user id) of each primary key."""
    record: list[str] | None = None
    fingerprint = user_id = ""
    for line in listing.splitlines():
        fields = line.split(":")
        if fields[0] in ("pub", "sec"):
            if record:
                yield record, fingerprint, user_id
            record, fingerprint, user_id = fields + [""] * (16 - len(fields)), "", ""
        elif fields[0] == "fpr" and not fingerprint:
            fingerprint = fields[9]
        elif fields[0] == "uid" and not user_id:
            user_id = fields[9]
    if record:
        yield record, fingerprint, user_id


def signing_key(home: Path, fingerprint: str = "") -> SigningKey:
    """Return the key that signs: the one asked for, else the oldest that can.

    Raises PublishError when there is none, or it is expired, revoked, too weak for the
    devices, or its secret part is missing.
    """
    found = keys(home)
    faults = []
    for key in found:
        if fingerprint and key.fingerprint != fingerprint:
            continue
        fault = _fault(key, home)
        if not fault:
            return key
        faults.append(fault)
    known = "\n".join(f"{key.fingerprint} {key.user_id}" for key in found) or "no key at all"
    if not faults:
        raise PublishError(f"{home} has no key {fingerprint}".rstrip(), f"It has: {known}",
                           "Restore the key directory from its backup, or name one of these keys. "
                           "For a new key move the directory away; devices then need the new key.")
    brief, resolution = faults[0]
    raise PublishError(brief, f"{home} has:\n{known}", resolution)


def _fault(key: SigningKey, home: Path) -> tuple[str, str] | None:
    """Say what is wrong with a key and the next move, or None."""
    if not key.secret:
        return (f"the secret part of key {key.fingerprint} is missing",
                f"Restore {home}/private-keys-v1.d from its backup.")
    if key.validity == "e":
        return (f"the signing key {key.fingerprint} has expired",
                f"Run: gpg --homedir {home} --quick-set-expire {key.fingerprint} 5y; then publish "
                "again, and give the devices the new key file.")
    if key.validity in ("r", "i", "d"):
        return (f"the signing key {key.fingerprint} is revoked or not valid",
                "Move the key directory away to get a new key; devices then need its key file.")
    if not (key.algorithm == _EDDSA or key.algorithm == _RSA and key.bits >= _SMALLEST_RSA):
        return (f"the signing key {key.fingerprint} is too weak for today's apt",
                f"Use RSA of at least {_SMALLEST_RSA} bits, or Ed25519.")
    return None


def export_public(home: Path, fingerprint: str = "", *, armored: bool = False) -> bytes:
    """Return the public key (all of the home without a fingerprint), binary or armored.

    Raises PublishError when there is no such key.
    """
    armor = ("--armor",) if armored else ()
    with tempfile.TemporaryDirectory(prefix="debxcross-gpg-") as temporary:
        output = Path(temporary, "key")
        # Public keys need no agent, so this needs no session either.
        options = ("--no-autostart", *armor, "--export-options", "export-minimal", "--no-emit-version",
                   "--output", str(output))
        wanted = (fingerprint,) if fingerprint else ()
        done = process.run(gpg_argv(home.absolute(), *options, "--export", *wanted))
        # gpg ends with status 0 when it exported nothing.
        if done.exit_status or not output.exists():
            raise PublishError(f"{home} has no public key {fingerprint}".rstrip(), done.stderr.strip(),
                               "Restore the key directory from its backup.")
        return output.read_bytes()


def clearsign(home: Path, fingerprint: str, document: Path, output: Path) -> None:
    """Write ``document`` with its signature in one clear text, as InRelease is."""
    _sign(home, fingerprint, document, output, detached=False)


def detached_sign(home: Path, fingerprint: str, document: Path, output: Path) -> None:
    """Write the armored signature of ``document`` alone, as Release.gpg is."""
    _sign(home, fingerprint, document, output, detached=True)


def _sign(home: Path, fingerprint: str, document: Path, output: Path, *, detached: bool) -> None:
    with _session(home.absolute()) as short:
        argv = sign_argv(short, fingerprint, document.absolute(), output.absolute(), detached=detached)
        process.run(argv).check(
            PublishError, f"gpg could not sign with key {fingerprint}",
            "The key must be there with its secret part and without a passphrase: "
            f"gpg --homedir {home} --list-secret-keys")


def verify(keyring: Path, signed: Path, signature: Path | None = None) -> Verification:
    """Return the good signature on a clear-signed or, with ``signature``, any file.

    Judged by gpgv's status lines, never by its exit status alone.  Raises PublishError for
    anything but one good signature with a strong digest by a key of the keyring.
    """
    with tempfile.TemporaryDirectory(prefix="debxcross-gpg-") as temporary:
        text = Path(temporary, "text")
        argv = verify_argv(keyring.absolute(), signed.absolute(),
                           signature.absolute() if signature else None, text)
        done = process.run(argv)
        fingerprint, digest = parse_status(done.stdout.splitlines(), str(signed))
        if done.exit_status:
            raise _refused(str(signed), done.stderr.strip())
        content = text.read_bytes().decode("utf-8", "replace") if signature is None else ""
    return Verification(fingerprint, digest, content)


def parse_status(lines: Sequence[str], name: str) -> tuple[str, int]:
    """Return (primary key's fingerprint, digest algorithm) from gpgv's status (doc/DETAILS).

    Raises PublishError unless there is exactly one signature, and it is good and strong.
    """
    words = [line.split()[1:] for line in lines if line.startswith("[GNUPG:] ")]
    told = [word[0] for word in words if word]
    valid = [word for word in words if word and word[0] == "VALIDSIG"]
    bad = sorted({"BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NODATA"} & set(told))
    if bad or told.count("NEWSIG") != 1 or told.count("GOODSIG") != 1 or len(valid) != 1:
        raise _refused(name, "\n".join(lines))
    digest = int(valid[0][8])
    if digest not in _STRONG_DIGESTS:
        raise _refused(name, f"The signature's digest algorithm {digest} is too weak.")
    return valid[0][10], digest


def _refused(name: str, details: str) -> PublishError:
    return PublishError(
        f"{name} has no good signature", details,
        "If the key directory was replaced, put the old one back. If the file was changed by "
        "somebody, restore the web root or publish everything into an empty one.")


@contextmanager
def _session(home: Path) -> Iterator[Path]:
    """Yield a short name for a home that nobody else uses meanwhile; end its agent after."""
    # gpg-agent's sockets lie in the home, and a deep home's name does not fit their address.
    parent = tempfile.gettempdir()
    parent = parent if len(parent) <= _LONGEST_TEMPORARY else "/tmp"
    with _locked(home / ".lock"), tempfile.TemporaryDirectory(prefix="debxcross-gpg-", dir=parent) as name:
        short = Path(name, "home")
        short.symlink_to(home)
        # The agent of a killed run looks for the secret keys by a short name that may be gone.
        _end_agent(short)
        try:
            yield short
        finally:
            _end_agent(short)
            _close_permissions(home)


def _end_agent(home: Path) -> None:
    """End the agent of a home, if there is one, and return when it is gone.

    It removes its socket as it ends; until then the next gpg could still talk to it.
    """
    socket = home / "S.gpg-agent"
    if not socket.exists():
        return
    process.run(("gpgconf", "--homedir", str(home), "--kill", "all"))
    deadline = time.monotonic() + _AGENT_SECONDS
    while socket.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    # What is left is a dead agent's; a busy one ends itself once its socket is gone.
    socket.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _close_permissions(home: Path) -> None:
    """Leave the home to its owner, whatever the umask was: 0700, and 0600 for files."""
    home.chmod(0o700)
    for directory, _, names in os.walk(home):
        os.chmod(directory, 0o700)
        for name in names:
            path = Path(directory, name)
            # The agent unlinks its sockets while it ends.
            if path.is_file():
                path.chmod(0o600)
