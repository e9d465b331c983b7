"""What the statutory insurance pays of a visit, and why; `price.price` is the way in."""
