"""Where the command `vienphi` and `python -m billing` begin."""

from billing.cli import main

if __name__ == "__main__":
    main(prog_name="vienphi")
