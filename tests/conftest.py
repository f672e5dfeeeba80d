"""What all tests need of the process they run in."""

import signal

# Started in the background by a shell, we would ignore interrupts, and so would every command that we try to interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
