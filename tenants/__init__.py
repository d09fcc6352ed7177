"""Who: organizations, people, the fence that keeps organizations apart, layers of configuration."""
