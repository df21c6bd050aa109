# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to GnuPG: the archive's signing key, signatures, and what gpgv says of them.

A home directory (0700, its files 0600) lies outside the web root.  gpg-agent is needed for
every use of a secret key; it is ended before the home is let go, and one lock per home
keeps two runs from ending each other's agent.
"""
from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from debxcross.core.keylisting import parse_keys
from debxcross.core.openpgp import public_keys
from debxcross.core.signing import SigningKey, key_fault
from debxcross.doors import files, process
from debxcross.doors.files import check_ours, check_temporary
from debxcross.errors import DiskFullError, PublishError

#: RFC 4880 section 9.4: SHA256, SHA384, SHA512.
_STRONG_DIGESTS = (8, 9, 10)
#: A socket's address has 108 bytes with its final NUL (unix(7)); and libraries
#: want some of them; what is added to the directory is
#: "/debxcross-gpg-XXXXXXXX/home/S.gpg-agent.browser".
_LONGEST_TEMPORARY = 100 - 48
_AGENT_SECONDS = 2.0
#: Looking needs no agent and leaves no lock file, so that it works on a full or read-only disk.
_READ_ONLY = ("--no-autostart", "--lock-never")
#: Bytes that gpg and its agent need at least.
_ROOM = 1 << 15
#: Files of a home that are ours: fingerprints that sign no more; an external signer's command.
_RETIRED, _SIGNER = "retired", "signer"
_PRIVATE = 0o600
#: apt's own policy for Sequoia (Debian 13).
_POLICY = Path("/usr/share/apt/default-sequoia.config")


@dataclass(frozen=True)
class Verification:
    """Good signatures: who made them, and over which text.

    ``fingerprints`` are those of primary keys, sorted; ``text`` is what was signed, as gpgv read
    it; "" for a detached signature.
    """

    fingerprints: tuple[str, ...]
    text: str


def gpg_argv(home: Path, *arguments: str) -> tuple[str, ...]:
    """Return a gpg command line that asks nobody and reads no configuration."""
    return ("gpg", "--homedir", str(home), "--no-options", "--batch", "--no-tty", "--quiet",
            "--pinentry-mode", "loopback", "--passphrase", "", *arguments)


def make_argv(home: Path, user_id: str) -> tuple[str, ...]:
    """Return the command that makes a key which gpgv of Debian 8 to 13 and sqv accept."""
    # "--yes", as the second key of a repository has the first one's name.
    return gpg_argv(home, "--yes", "--cert-digest-algo", "SHA512", "--quick-generate-key", user_id,
                    "rsa4096", "sign", "5y")


def sign_argv(home: Path, fingerprints: Sequence[str], document: Path, output: Path,
              *, detached: bool) -> tuple[str, ...]:
    """Return the command that signs ``document``: armored beside it, or in one clear text.

    Each key signs, or the newest signing subkey it has.
    """
    form = ("--armor", "--detach-sign") if detached else ("--clearsign",)
    users = [word for fingerprint in fingerprints for word in ("--local-user", fingerprint)]
    return gpg_argv(home, "--digest-algo", "SHA512", *users, "--yes", "--output", str(output), *form,
                    str(document))


def signer_argv(command: Sequence[str], fingerprints: Sequence[str], document: Path, output: Path,
                *, detached: bool) -> tuple[str, ...]:
    """Return the call of an external signer: COMMAND clearsign|detach-sign KEYS DOCUMENT OUTPUT."""
    form = "detach-sign" if detached else "clearsign"
    return (*command, form, ",".join(fingerprints), str(document), str(output))


def sqv_argv(keyring: Path, signature: Path, signed: Path) -> tuple[str, ...]:
    """Return the command of Debian 13's verifier, in the form that all its versions know."""
    return ("sqv", "--keyring", str(keyring), str(signature), str(signed))


def verify_argv(keyring: Path, signed: Path, signature: Path | None, text: Path) -> tuple[str, ...]:
    """Return the gpgv command; its status lines go to standard output."""
    start = ("gpgv", "--status-fd", "1", "--keyring", str(keyring))
    if signature:
        return (*start, str(signature), str(signed))
    return (*start, "--output", str(text), str(signed))


def make_key(home: Path, user_id: str) -> SigningKey:
    """Return the home's first signing key; make home and key on first use.

    Runs at the same time make one key; a run that is killed leaves none.  Raises
    PublishError when the home is there and cannot sign.
    """
    home = home.absolute()
    home.parent.mkdir(0o755, parents=True, exist_ok=True)
    check_ours(home.parent)
    with _locked(home.with_name(f"{home.name}.lock")):
        if not home.exists() or not any(home.iterdir()):
            # Made beside its place and renamed, so that a home is never half a home.
            for left in sorted(home.parent.glob(f"{home.name}.new-*")):
                with _session(left):
                    pass  # The agent of the killed run ends.
                shutil.rmtree(left, ignore_errors=True)
            new = Path(tempfile.mkdtemp(prefix=f"{home.name}.new-", dir=home.parent))
            add_key(new, user_id)
            os.replace(new, home)
        return signing_keys(keys(home), home)[0]


def add_key(home: Path, user_id: str) -> None:
    """Make one more key in a home; PublishError when gpg cannot."""
    home = home.absolute()
    with _session(home) as short:
        process.run(make_argv(short, user_id)).check(
            PublishError, "gpg could not make a signing key",
            f"See what gpg says above; {home} was left as it was.")


def import_key(home: Path, file: Path) -> None:
    """Take a brought key (secret or public, armored or binary) into a home, made if need be.

    Raises PublishError when the file holds none.  Whether it can sign is asked of keys().
    """
    home = home.absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _session(home) as short:
        process.run(gpg_argv(short, "--import-options", "import-clean", "--import",
                             str(file.absolute()))).check(
            PublishError, f"{file} holds no key that gpg can take",
            "Export it without a passphrase: gpg --export-secret-keys FINGERPRINT > FILE")


def keys(home: Path) -> tuple[SigningKey, ...]:
    """Return the primary keys of a home by age, the oldest first.

    Raises PublishError when the home is not there.
    """
    home = home.absolute()
    if not home.is_dir():
        raise PublishError(f"there is no key directory {home}",
                           resolution="Restore it from its backup, or publish once to make a new key.")
    # Which secret parts are there is read from the directory: gpg would start an agent to tell.
    listing = process.run(gpg_argv(home, *_READ_ONLY, "--with-colons", "--fixed-list-mode",
                                   "--with-keygrip", "--list-keys")).check(
        PublishError, f"gpg cannot read {home}", "Restore it from its backup.")
    grips = {path.stem for path in (home / "private-keys-v1.d").glob("*.key")}
    retired = set(_read(home / _RETIRED).split())
    found = parse_keys(listing.stdout, grips, external=signer(home) != ())
    known = {key.fingerprint: key for key in public_keys(export_public(home))} if found else {}
    return tuple(
        replace(key, retired=key.fingerprint in retired, weak=known[key.fingerprint].weak,
                changed=known[key.fingerprint].changed) if key.fingerprint in known
        else replace(key, retired=key.fingerprint in retired) for key in found)


def signing_keys(found: Sequence[SigningKey], home: Path) -> tuple[SigningKey, ...]:
    """Return the keys of a home that sign, the oldest first.

    A key that cannot sign is left out as long as another can.  Raises PublishError with what
    is wrong with the first of them when none can.
    """
    using = [key for key in found if not key.retired]
    good = tuple(key for key in using if key_fault(key, str(home)) is None)
    if good:
        return good
    known = "\n".join(f"{key.fingerprint} {key.user_id}" for key in found) or "no key at all"
    faults = [fault for key in using if (fault := key_fault(key, str(home)))]
    if not faults:
        raise PublishError(f"{home} has no key that signs", f"It has: {known}",
                           "Restore the key directory from its backup, or add a key with "
                           "'debxcross repo key add'. For an all new key move the directory away; "
                           "devices then need the new key.")
    raise PublishError(faults[0][0], f"{home} has:\n{known}", faults[0][1])


def retire_key(home: Path, fingerprint: str) -> None:
    """Let a key sign no more; it stays in the home, so that what it signed can be read."""
    files.write(home / _RETIRED, "".join(f"{one}\n" for one in sorted(
        {*_read(home / _RETIRED).split(), fingerprint})), _PRIVATE)


def signer(home: Path) -> tuple[str, ...]:
    """Return the external signer's command, or ()."""
    return tuple(shlex.split(_read(home / _SIGNER)))


def set_signer(home: Path, command: Sequence[str]) -> None:
    """Let a command sign, whose public keys are in the home."""
    files.write(home / _SIGNER, shlex.join(command) + "\n", _PRIVATE)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def export_public(home: Path, fingerprints: Sequence[str] = ()) -> bytes:
    """Return public keys in binary form, in the order asked for; all of the home without any.

    Raises PublishError when one is not there.
    """
    with tempfile.TemporaryDirectory(prefix="debxcross-gpg-") as temporary:
        output = Path(temporary, "key")
        # Public keys need no agent, so this needs no session either.
        done = process.run(gpg_argv(
            home.absolute(), *_READ_ONLY, "--export-options", "export-minimal", "--output", str(output),
            "--export"))
        # gpg ends with status 0 when it exported nothing.
        content = output.read_bytes() if done.exit_status == 0 and output.exists() else b""
    found = {key.fingerprint: key.content for key in public_keys(content)}
    missing = [fingerprint for fingerprint in fingerprints if fingerprint not in found]
    if missing or not found:
        raise PublishError(f"{home} has no public key {' '.join(missing)}".rstrip(), done.stderr.strip(),
                           "Restore the key directory from its backup.")
    return b"".join(found[fingerprint] for fingerprint in fingerprints or found)


def sign(home: Path, fingerprints: Sequence[str], document: Path, *, clear: Path, detached: Path) -> None:
    """Sign with all these keys: into one clear text, as InRelease is, and beside, as Release.gpg is.

    Raises PublishError when a key cannot.
    """
    home, document = home.absolute(), document.absolute()
    outputs = ((detached.absolute(), True), (clear.absolute(), False))
    if command := signer(home):
        for output, apart in outputs:
            process.run(signer_argv(command, fingerprints, document, output, detached=apart)).check(
                PublishError, "the external signer failed", f"It is named in {home / _SIGNER}.")
        return
    with _session(home) as short:
        for output, apart in outputs:
            done = process.run(sign_argv(short, fingerprints, document, output, detached=apart))
            if done.exit_status and _is_full(home, output.parent):
                # The agent says only that it does not run.
                raise DiskFullError(
                    f"no space left for gpg in {home} or {output.parent}", done.stderr.strip(),
                    "Free some space there, then run the same command again.")
            done.check(PublishError, f"gpg could not sign with key {' '.join(fingerprints)}",
                       "The key must be there with its secret part and without a passphrase: "
                       f"gpg --homedir {home} --list-secret-keys")


def _is_full(*directories: Path) -> bool:
    """Tell whether there is no room for a signature or a socket."""
    found = [os.statvfs(directory) for directory in directories]
    return any(status.f_bavail * status.f_frsize < _ROOM or not status.f_favail for status in found)


def verify(keyring: Path, signed: Path, signature: Path | None = None, *,
           strangers: bool = False) -> Verification:
    """Return the good signatures on a clear-signed or, with ``signature``, any file.

    Judged by gpgv's status lines, never by its exit status alone.  With ``strangers`` further
    signatures by keys that are not in the keyring do no harm, as apt has it.  Raises
    PublishError unless all the others, and one at least, are good and have a strong digest.
    """
    with tempfile.TemporaryDirectory(prefix="debxcross-gpg-") as temporary:
        text = Path(temporary, "text")
        argv = verify_argv(keyring.absolute(), signed.absolute(),
                           signature.absolute() if signature else None, text)
        done = process.run(argv)
        fingerprints = parse_status(done.stdout.splitlines(), str(signed), strangers=strangers)
        if done.exit_status and not strangers:
            raise _refused(str(signed), done.stderr.strip())
        content = text.read_bytes().decode("utf-8", "replace") if signature is None else ""
    return Verification(fingerprints, content)


def verify_with_sqv(keyring: Path, signed: Path, signature: Path) -> bool:
    """Ask Debian 13's verifier under apt's own policy; False when it is not installed here.

    Raises PublishError when it refuses the signature.
    """
    if process.find("sqv") is None:
        return False
    policy = {"SEQUOIA_CRYPTO_POLICY": str(_POLICY)} if _POLICY.is_file() else {}
    process.run(sqv_argv(keyring.absolute(), signature.absolute(), signed.absolute()),
                environment=policy).check(
        PublishError, f"sqv, the verifier of Debian 13, refuses {signature.name}",
        "Devices with Debian 13 would refuse it too; nothing was published. Use a key without SHA-1 "
        "self-signatures, not DSA, and RSA of 3072 bits or more.")
    return True


def parse_status(lines: Sequence[str], name: str, *, strangers: bool = False) -> tuple[str, ...]:
    """Return the fingerprints of the primary keys that signed, from gpgv's status (doc/DETAILS).

    Raises PublishError unless each signature is good and strong; with ``strangers`` each
    but those of unknown keys.
    """
    words = [line.split()[1:] for line in lines if line.startswith("[GNUPG:] ")]
    told = [word[0] for word in words if word]
    valid = [word for word in words if word and word[0] == "VALIDSIG"]
    # The sixth word of ERRSIG is the reason: 9 is a missing public key.
    unknown = [word for word in words if word and word[0] == "ERRSIG" and word[6] == "9"] if strangers else []
    bad = {"BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NODATA"} & set(told)
    good = told.count("GOODSIG")
    if (bad or told.count("ERRSIG") != len(unknown) or not good or len(valid) != good
            or told.count("NEWSIG") != good + len(unknown)):
        raise _refused(name, "\n".join(lines))
    digest = min(int(word[8]) for word in valid)
    if digest not in _STRONG_DIGESTS:
        raise _refused(name, f"The signature's digest algorithm {digest} is too weak.")
    return tuple(sorted({word[10] for word in valid}))


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
    check_temporary()
    check_ours(home)
    with _locked(home / ".lock"), tempfile.TemporaryDirectory(prefix="debxcross-gpg-", dir=parent) as name:
        short = Path(name, "home")
        short.symlink_to(home)
        # The agent of a killed run looks for the secret keys by a short name that may be gone.
        _end_agent(short)
        _remove_other_names(Path(parent), short)
        try:
            yield short
        finally:
            _end_agent(short)
            _close_permissions(home)


def _remove_other_names(parent: Path, short: Path) -> None:
    """Remove the short names that killed runs left for the home of ``short``, whose lock is held."""
    for left in parent.glob("debxcross-gpg-*/home"):
        # Those of other homes come and go meanwhile.
        with suppress(OSError):
            if left != short and os.readlink(left) == os.readlink(short):
                shutil.rmtree(left.parent, ignore_errors=True)


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
