"""The socket in the output folder by which a running crawl is asked and steered.

One line of JSON is a command, one line of JSON its answer; a connection may carry several, one after another. A command
names itself in the field `command`; an answer has `ok`, and `error` with a `hint` where it is false. Only the owner of the
folder can connect: the socket has mode 0600 in a folder of mode 0700.
"""

SOCKET = "control.sock"
LONGEST_LINE = 1024 * 1024
"""Bytes of one command or answer."""
