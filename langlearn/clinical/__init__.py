"""What clinical English says: findings, negations, doses, emergencies, support."""
