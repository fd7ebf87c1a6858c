"""The families of large models that RealMaster can run, a folder each, and the registry of them. Imports no torch."""
