"""What an A/B test changed, scenario by scenario, day by day and by period."""
