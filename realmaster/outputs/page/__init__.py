"""The preview page: it shows the game and the photoreal picture side by side, on loopback only."""
