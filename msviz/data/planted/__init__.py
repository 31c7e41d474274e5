"""The simulated shop whose log knows its own truth; `plant.py` writes one."""
