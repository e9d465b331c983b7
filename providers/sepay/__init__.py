"""SePay: a bank account whose movements are reported by webhook and feed, and a payment gateway."""
