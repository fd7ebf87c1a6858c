"""Training of the tiny model: autoencoder, base transformer, in-context LoRA. Imports torch."""
