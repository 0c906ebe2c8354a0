"""`python -m rnw`, the same as `rnw`."""

from rnw.cli import main

if __name__ == "__main__":
    main()
