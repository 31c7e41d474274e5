"""The app: pages that ask kept findings, draw them, and say where they come from."""
