"""The command line: `symphony --help` lists it, docs/cli.md explains it.

Two rules. *Instant*: this package imports typer and the standard library; everything that a
command needs is imported when the command runs, so that help, validation and receipts never
wait for the network stack. *Honest*: results go to stdout, everything else to stderr; every
failure ends as one `error:` line, one `next:` line and a documented exit code, and never as a
traceback unless `--debug` asks for it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from symphony.cli.exits import INTERRUPTED, report


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is returned. The console script's entry point."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = _take_debug(arguments)
    try:
        from symphony.cli.app import app

        result = app(arguments, prog_name="symphony", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone: nothing is left to say to it
        return 1
    except BaseException as error:
        if debug or isinstance(error, SystemExit | GeneratorExit):
            raise
        return report(error, arguments)
    return result if isinstance(result, int) else 0


def _take_debug(arguments: list[str]) -> bool:
    """Remove `--debug`, which may stand anywhere before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" not in arguments[:end]:
        return False
    arguments.remove("--debug")
    return True
