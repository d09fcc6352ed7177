"""Where the messages of a global account go: to one organization (*routed*) or to each (*copied*).

`deciding` is pure; `planning` decides and writes down what `mailboxes.intake` then delivers.
"""
