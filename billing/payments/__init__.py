"""Payments: provider notices become events, payments, allocations and exceptions, each booked once."""
