"""How a model's experts share the work from day to day, and how click rates move."""
