"""Every run on the shelf: compare, retrain, tag, delete, import and export."""
