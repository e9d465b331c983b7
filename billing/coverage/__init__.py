"""What the statutory health insurance and other payers cover of a visit, with the rule behind each amount."""
