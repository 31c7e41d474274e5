"""What the import of KuaiRand shares: its tables, its schema, its daily signals."""
