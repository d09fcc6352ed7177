"""What a member sees of the mailboxes they may read.

`selection` says which part is looked at, `listing` gives pages of it and their counts, `rows` their
lines, `reading` keeps who has read what, `conversation` opens one thread and changes its status, `snoozing`
puts some away until a time, `tagging` gives them words, `saved_views` keeps searches. Every query starts
from `mailboxes.access.readable_ids`.
"""
