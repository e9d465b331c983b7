"""SePay: a bank account whose movements are told by webhook and feed, and a payment gateway."""
