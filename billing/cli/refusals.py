"""Error messages of commands for faults of the machine, the database or the input: one sentence with the action.

The one place for all entry points (`billing.cli.main`). What is no fault of ours ends with that sentence and exit
status 1. A fault of ours keeps its traceback: it is logged, in the format of the logs, and never made to look like
something that the operator could put right.
"""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import structlog

from billing.core.errors import BillingError
from billing.logs import configure_logs

log = structlog.get_logger(__name__)

_FILE_SENTENCES = {
    errno.ENOENT: "there is no such file or folder; check the path",
    errno.EISDIR: "is a folder, and a file is needed; check the path",
    errno.ENOTDIR: "a part of the path is no folder; check the path",
    errno.EACCES: "may not be opened; give this user the right to it",
    errno.EPERM: "may not be opened; give this user the right to it",
    errno.EEXIST: "exists already; take another name or move it away",
    errno.EROFS: "lies in a file system that is read only; take another folder",
    errno.ENAMETOOLONG: "the name is too long; take a shorter one",
    errno.ELOOP: "its links lead in a circle; check the path",
    errno.ENODEV: "is no file that can be read; check the path",
    errno.ENXIO: "is no file that can be read; check the path",
}

_SYSTEM_SENTENCES = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another address by VIENPHI_HOST, VIENPHI_PORT",
    errno.EADDRNOTAVAIL: "this machine has no such address; correct VIENPHI_HOST",
    errno.EACCES: "the system forbids it; take a port above 1023 by VIENPHI_PORT, or give this user the right",
    errno.ENOSPC: "no space is left on the device; make room and run it again",
    errno.EDQUOT: "the quota of this user is used up; make room and run it again",
    errno.EMFILE: "too many files are open; raise the limit of open files (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine; stop other programs",
    errno.ENOMEM: "no memory is left; stop other programs or give it more",
    errno.ECONNREFUSED: "nobody answers at the address; start the server there, or correct the address",
    errno.ECONNRESET: "the other side closed the connection; try again",
    errno.ETIMEDOUT: "the other side does not answer in time; check the network",
    errno.ENETUNREACH: "the network is not reached; check the connection of this machine",
    errno.EHOSTUNREACH: "the server is not reached; check the network",
    errno.EIO: "the device failed to read or write; look at the log of the system",
}


def sentence_of(error: BaseException) -> str | None:
    """The message, with its code, for an error that is not a defect of this program; None for a defect."""
    if isinstance(error, BaseExceptionGroup):
        sentences = [sentence_of(each) for each in error.exceptions]
        known = [each for each in sentences if each is not None]
        return "; ".join(dict.fromkeys(known)) if len(known) == len(sentences) else None
    if isinstance(error, BillingError):
        return f"{error.detail} [{error.code}]"
    if isinstance(error, MemoryError):
        return "this file takes more memory than one file may have; split it [document_too_costly]"
    if isinstance(error, OSError):
        return _system_sentence(error)
    return _text_sentence(error) or _database_sentence(error)


def end_with_sentence(error: Exception) -> click.ClickException:
    """How a command ends: with one sentence where the error is no fault of ours, else with the traceback in the log."""
    sentence = sentence_of(error)
    _give_up_output()
    if sentence is None:
        if not structlog.is_configured():
            configure_logs(is_json=False)
        log.critical("command_failed", exc_info=error)
        sentence = f"a fault of vienphi: {type(error).__name__}; its traceback is in the log, please report it"
        return click.ClickException(f"{sentence} [internal_error]")
    return click.ClickException(sentence)


def refuse_path(error: click.BadParameter) -> click.ClickException | None:
    """A file that cannot be used, as one sentence; None for every other error of usage."""
    if error.param is None or not isinstance(error.param.type, click.Path):
        return None
    message = error.message.rstrip(".")
    return click.ClickException(f"{error.param.human_readable_name}: {message}; check the path [file_unusable]")


def _give_up_output() -> None:
    """Where the output cannot be written, drop what is left of it: it would fail once more when the process ends."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _system_sentence(error: OSError) -> str:
    """The operating system refused something: a file by its path, or an address, or the machine is at its limit."""
    number = error.errno
    if isinstance(error, BrokenPipeError):
        return "nobody reads the output any more; run it again without closing the pipe [output_closed]"
    if type(error).__name__ in {"gaierror", "herror"}:
        return "the name of a server or of VIENPHI_HOST is not known; correct it [name_not_known]"
    if isinstance(error, TimeoutError) and number is None:
        return f"{_SYSTEM_SENTENCES[errno.ETIMEDOUT]} [timeout]"
    if error.filename is not None and number in _FILE_SENTENCES:
        return f"{_shown(error.filename)}: {_FILE_SENTENCES[number]} [file_unusable]"
    place = "" if error.filename is None else f"{_shown(error.filename)}: "
    reason = error.strerror or str(error) or type(error).__name__
    remedy = _SYSTEM_SENTENCES.get(number or 0, "look at the log of the system")
    return f"{place}{reason}: {remedy} [system_error]"


def _shown(filename: object) -> str:
    return click.format_filename(filename if isinstance(filename, (str, bytes, Path)) else str(filename))


def _text_sentence(error: BaseException) -> str | None:
    """An argument that a terminal of another encoding wrote: the driver cannot send it as text."""
    encodings = (error, error.__cause__)
    if any(isinstance(each, UnicodeEncodeError) and each.encoding.startswith("utf") for each in encodings):
        return "an argument is not text in UTF-8; type it again in a terminal set to UTF-8 [not_utf8]"
    return None


def _database_sentence(error: BaseException) -> str | None:
    """What the database refused for a reason outside of us; its driver is not loaded by commands without a database."""
    driver: Any = sys.modules.get("asyncpg")
    if driver is None or not isinstance(error, driver.PostgresError):
        return None
    if isinstance(error, driver.InsufficientPrivilegeError) and "row-level security" not in str(error):
        return (
            f"{error}: this role lacks a right; run vienphi migrate, which grants again what the migrations give, or"
            " connect as the role that the command needs [grants_missing]"
        )
    gone = (
        driver.PostgresConnectionError,
        driver.AdminShutdownError,
        driver.CrashShutdownError,
        driver.CannotConnectNowError,
        driver.IdleSessionTimeoutError,
    )
    if isinstance(error, gone):
        return "the database closed the connection; nothing of this step was written; try again [database_unavailable]"
    if isinstance(error, driver.ReadOnlySQLTransactionError):
        return "the database only reads, as a standby does; connect to the primary [database_read_only]"
    if isinstance(error, (driver.InsufficientResourcesError, driver.PostgresSystemError)):
        return f"the database server is at a limit ({type(error).__name__}); look at its log [database_unavailable]"
    return None
