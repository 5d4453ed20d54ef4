"""The command ``allcnn``."""

import signal
import sys

from ._allcnn import command


def main() -> int:
    """Runs the program with the arguments of the command line and returns its exit code."""
    # The program handles Ctrl-C itself; Python would only look at it when the program has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return command(["allcnn", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
