"""VietQR made offline, and vietqr.vn, which tells of the transfers that came by it."""
