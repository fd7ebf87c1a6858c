"""The embedded model: its files, its autoencoder, and the model in eager torch."""
