"""ZaloPay v2: wallet, and VietQR on ZaloPay's own page."""
