"""What a system administrator may do: with the organizations and with the users of the installation."""
