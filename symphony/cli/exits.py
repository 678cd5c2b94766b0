"""How a command ends: exit codes, and the two lines that explain a failure.

     0  ok                      5  budget or time spent, or nobody offered to work
     1  failure                 6  there is an answer, but it is not certified
     2  wrong usage             7  verification failed
     3  network unreachable   130  interrupted, or the task was cancelled
     4  admission refused

Errors may come wrapped in exception groups (nurseries do that); what counts is the first one
inside that speaks to a person.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

FAILURE = 1
USAGE = 2
NOT_CERTIFIED = 6
VERIFICATION_FAILED = 7
INTERRUPTED = 130

_SAID_CHARS = 4000  # a wrong manifest can have many faults; two screens of them are enough

EXIT_CODES = (
    (0, "ok"),
    (1, "failure"),
    (2, "wrong usage, configuration or manifest"),
    (3, "network unreachable: no node, no peer"),
    (4, "admission refused"),
    (5, "budget or time spent, or nobody offered to work"),
    (6, "a best answer, but not certified"),
    (7, "verification failed"),
    (130, "interrupted or cancelled"),
)


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Say on stderr what went wrong and what to do next. Returns the exit code."""
    from ledger.errors import LedgerError
    from symphony.errors import SymphonyError

    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    for leaf in leaves:
        if isinstance(leaf, SymphonyError):
            say(leaf.message, leaf.hint)
            return leaf.exit_code
    for leaf in leaves:
        if isinstance(leaf, LedgerError):
            say(leaf.message, leaf.hint)
            return FAILURE
    usage = _usage(leaves[0])
    if usage is not None:
        return usage
    first = leaves[0]
    if isinstance(first, OSError) and first.strerror:
        where = f"{first.filename}: " if first.filename else ""
        say(f"{where}{first.strerror}", "check the path and its permissions")
        return FAILURE
    say(
        f"internal: {type(first).__name__}: {first}",
        f"symphony --debug {arguments[0] if arguments else ''}… shows where; please report it",
    )
    return FAILURE


def say(message: str, hint: str) -> None:
    """The two lines. They go to stderr, so that stdout holds results and nothing else."""
    sys.stderr.write(f"error: {_fit(message)}\n")
    if hint:
        sys.stderr.write(f"next:  {_fit(hint)}\n")


def _fit(text: str) -> str:
    """`text` may hold words of a stranger: nothing in it is obeyed by a terminal, begins a line of
    its own, or fills the screen.
    """
    from symphony.cli.show import visible

    cut = text if len(text) <= _SAID_CHARS else text[:_SAID_CHARS] + " …"
    return visible(cut).replace("\n", "\n       ")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _usage(error: BaseException) -> int | None:
    """Typer's own complaints about arguments, in our form; None for anything else."""
    import typer

    if isinstance(error, typer.Abort):
        return INTERRUPTED
    family = typer.BadParameter.__mro__[2]  # typer keeps its parser's ClickException private
    if not isinstance(error, family):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "symphony"
    message = str(getattr(error, "format_message", error.__str__)())
    message = message.replace(": Value error, ", ": ", 1)  # the parser's own word for it
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help itself
        sys.stderr.write(message + "\n")
    else:
        say(message, f"{path} --help")
    return USAGE
