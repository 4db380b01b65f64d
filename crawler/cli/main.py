"""The entrance: which command is meant, what the process ends with, and how an error is told."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click
from click_default_group import DefaultGroup

from crawler.cli import events, inputs, logs
from crawler.cli.errors import INTERNAL, SIGNALLED, Wrong, lines_of
from crawler.cli.pages import COMMANDS, WIDTH, write_examples
from crawler.cli.session import Session, program_name
from crawler.cli.terminal import forget_stdout, is_writable, make_printable, open_streams
from crawler.core.seeds import nearest
from crawler.folder import CrawlError, StorageError, storage_error
from crawler.version import __version__

DEFAULT = "crawl"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What writing may end with. Whatever else is written than standard output has a name, and says so itself."""
PIPE_CLOSED = SIGNALLED + signal.SIGPIPE
EXAMPLES = (
    ("seeds.txt", "crawl what the file names; the same command again goes on"),
    ("https://example.org/ -n 50", "crawl a site, at most 50 pages"),
    ("status", "how far the newest crawl is"),
    ("query errors", "what went wrong"),
    ("demo", "try all of it on a small site that comes along"),
)


class Commands(DefaultGroup):  # type: ignore[misc]  # click-default-group has no types
    """The commands, each imported when it is asked for; a first word that is none of them belongs to `crawl`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Return the names, in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command. A word that is none is kept for the default one."""
        if cmd_name not in COMMANDS:
            ctx.arg0 = cmd_name  # type: ignore[attr-defined]  # the way DefaultGroup hands the word on
            cmd_name = DEFAULT
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one the first word was probably meant to be."""
        first = args[0]
        if first not in COMMANDS and not first.startswith("-") and inputs.kind_of(first) is None:
            raise _no_command(first, ctx.command_path)
        found: tuple[str | None, click.Command | None, list[str]] = super().resolve_command(ctx, args)
        return found

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. A reader of its output that went away is no error, which click would make 1 of."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(PIPE_CLOSED) from None

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview."""
        formatter.write_usage(ctx.command_path, "SEEDS... [OPTIONS]  |  COMMAND [ARGS]")
        self.format_help_text(ctx, formatter)
        write_examples(formatter, ctx.command_path, EXAMPLES)
        with formatter.section("Commands"):
            formatter.write_dl([(name, meaning) for name, (_, meaning) in COMMANDS.items()])
        self.format_epilog(ctx, formatter)


def _no_command(word: str, program: str) -> Wrong:
    meant = nearest(word, COMMANDS)
    if meant is not None and "/" not in word and "." not in word:
        return Wrong(f'"{word}" is neither a command nor a file nor a URL', f"Did you mean {program} {meant}?")
    return inputs.missing(word)


@click.group(
    cls=Commands,
    default=DEFAULT,
    default_if_no_args=False,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
    epilog="COMMAND --help tells all about one command; crawl --help has every option of a crawl.",
)
@click.version_option(__version__, "-V", "--version", message="crawler %(version)s")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Crawl websites politely and fast.

    It can be killed at any moment and goes on where it stopped, with nothing lost and nothing stored twice. Pages lie on
    disk, facts in an SQLite database that can be asked while the crawl runs.
    """
    if ctx.invoked_subcommand is None:
        program = ctx.command_path
        hint = f"Try {program} seeds.txt, {program} https://example.org/, {program} demo or {program} --help."
        raise Wrong("nothing to crawl was named", hint)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    open_streams()
    make_printable()
    words = tuple(sys.argv[1:] if argv is None else argv)
    session = Session(words, program_name())
    code = _run(words, session)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError as error:
        code = code or _failed(session, _unwritten(error))
        forget_stdout()
    if code == PIPE_CLOSED:
        forget_stdout()
    if argv is None and any(thread.name.startswith("dns_") for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)      # everything is closed but look-ups that hang, and the interpreter would wait for them
    return code


def _run(words: Sequence[str], session: Session) -> int:  # noqa: PLR0911 - one return for each way to end
    try:
        answer = commands.main(
            args=list(words), prog_name=session.program, complete_var="_CRAWLER_COMPLETE", standalone_mode=False, obj=session
        )
    except click.exceptions.Abort:
        return SIGNALLED + signal.SIGINT
    except click.ClickException as error:
        return _failed(session, _from_click(error, session.program))
    except CrawlError as error:
        return _failed(session, error)
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT
    except OSError as error:
        if error.filename is None and (error.errno in NO_ROOM or (error.errno == errno.EBADF and not is_writable(sys.stdout))):
            return _failed(session, _unwritten(error))
        if error.errno not in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EACCES, errno.EROFS):
            return _crashed(session, error)
        return _failed(session, storage_error(Path(str(error.filename)[:80]), error))
    except Exception as error:  # noqa: BLE001 - a bug in this program: people get a sentence, the log the traceback
        return _crashed(session, error)
    return answer if isinstance(answer, int) else 0


def _unwritten(error: OSError) -> CrawlError:
    return StorageError(f"cannot write to standard output: {error.strerror}", "Try > FILE, on a disk with room.")


def _failed(session: Session, error: CrawlError) -> int:
    if session.json:
        events.write_fatal(error, error.exit_code)
    session.voice.complain(lines_of(error))
    return error.exit_code


def _crashed(session: Session, error: Exception) -> int:
    path = logs.record_crash(error, session.folder)
    what = f"internal error: {type(error).__name__}: {error}"
    hint = f"This is a bug in the crawler; the details are in {path}.\nTry the same command again: what is stored is safe."
    _failed(session, CrawlError(what, hint))
    return INTERNAL


def _from_click(error: click.ClickException, program: str) -> CrawlError:
    """Put click's words into ours: what is wrong in lower case, and what to try on a line of its own."""
    page = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else program
    hint = f"Try {page} --help."
    if isinstance(error, click.NoSuchOption):
        meant = nearest(error.option_name, _flags_of(error.ctx))
        return Wrong(f"there is no option {error.option_name}", f"Did you mean {meant}?" if meant else hint)
    message = error.format_message().rstrip(".")
    return Wrong(message[:1].lower() + message[1:], hint)


def _flags_of(ctx: click.Context | None) -> list[str]:
    if ctx is None:
        return []
    return [name for param in ctx.command.params for name in (*param.opts, *param.secondary_opts) if name.startswith("--")]
