"""The account of a visit: recording its versions as they arrive."""
