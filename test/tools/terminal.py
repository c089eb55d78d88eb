"""Runs a command on a terminal of 80 columns and 24 rows, for tests, and passes on what it prints there.

    python3 terminal.py TEXT COMMAND [ARGUMENT...]

Presses Enter whenever it is asked to, and Ctrl-C once TEXT has been printed; with an empty TEXT never. Ends with the
exit code of the command.
"""
import fcntl, os, pty, struct, sys, termios

text, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execvp(command[0], command)
printed, asked, interrupted = b"", 0, False
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # Linux says so of a terminal that nobody has open any more
        break
    if not piece:
        break
    os.write(1, piece)
    printed += piece
    if text and text in printed and not interrupted:
        interrupted = True
        os.write(terminal, b"\x03")
    elif printed.count(b"Press Enter") > asked:
        asked = printed.count(b"Press Enter")
        os.write(terminal, b"\r")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
