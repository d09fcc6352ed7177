"""A door: the queue. The tables are the truth; a job is only a bell."""
