"""Webhooks: an organization's own programs are told of what happens, by signed requests over HTTPS.

What happens is written down in the transaction that makes it true, once for each webhook that listens
(`telling`, which knows ids alone, so that everything may call it); a job makes the calls (`calling`), with a
body that is read at that moment (`content`) and signed (`signing`). What administrators do is in `setup`,
what they are told of in `troubles`, what is forgotten in time in `keeping`. For whom one acts: decision 40.
"""
