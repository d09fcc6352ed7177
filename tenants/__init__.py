"""Who: organizations, people, the fence that keeps organizations apart, layers of configuration.

From below: `database` (the session, the fence), `audit` (who changed what), `users` (a person and their ways
in), `organizations` and `permissions`, `configuration` (who decides what), `people` (what is done with the
members of an organization), `installation` (what a system administrator does with organizations and users).
Beside them: `settings` of the process, `secrets`, `logs`, `errors`, `offers` of the system, and the
`application` without a door.
"""
