"""`python -m georeg`: the command line."""

from georeg_cli.main import main  # the one import upwards

if __name__ == "__main__":
    main()
