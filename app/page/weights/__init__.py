"""What the model gives each field, what losing one costs, how rows divide over two."""
