"""The shared reference models; knows nothing of the rest of the platform."""
