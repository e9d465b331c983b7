"""HTTP: parse a request, call one use case, answer. Decides nothing."""
