"""The gateway over a real socket, in front of a scripted port."""
