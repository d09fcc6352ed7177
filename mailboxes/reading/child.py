"""What the child of `ReaderApart` runs: ``python -m mailboxes.reading.child``."""

from mailboxes.reading.apart import serve

if __name__ == "__main__":
    serve()
