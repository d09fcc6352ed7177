"""What the performance page of the documentation quotes: measured on whole installations, never in tests.

./dev bench                    all of them, a few minutes
./dev bench arrival            how long a message takes to the page, to its lead and to its answer
./dev bench sync               how fast a full mailbox is taken over
./dev bench administration     how quickly every page answers among 2,000 organizations
./dev bench footprint          what the processes weigh, and how soon the demo is there
"""
