"""Stripe, and servers with a Stripe-compatible API: cards and wallets."""
