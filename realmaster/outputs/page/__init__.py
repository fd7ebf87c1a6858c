"""The preview page: before and after, side by side, on loopback."""
