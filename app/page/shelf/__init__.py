"""Every run on the shelf: compare, retrain, tag, delete, bring in and take out."""
