"""vienphi: the payment and billing service of a province's hospitals."""

__version__ = "0.1.0"
