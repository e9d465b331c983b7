"""Screens of money that goes back: lines that are refunded, refunds, and the free money of a visit."""
