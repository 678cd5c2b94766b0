"""The SDK against a real gateway."""
