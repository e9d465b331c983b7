"""VietQR built offline, and vietqr.vn, which reports the transfers."""
