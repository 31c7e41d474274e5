"""How good a model is in every scenario, beside other runs, and what each of them costs."""
