"""Stripe, and any server that speaks as Stripe does: cards and wallets."""
