"""The parts of a visit that statutory health insurance and other payers pay, with the rule behind each amount.

Amounts and rates of the law by date are in `domain/parameters.toml`.
"""
