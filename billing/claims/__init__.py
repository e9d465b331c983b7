"""Insurance claims: what the claim file states, its checks before it is sent, and its export."""
