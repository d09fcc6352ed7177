"""How accounts are: written down while they are worked on, explained to those who ask.

`pass_log` and `volume` keep it, and stand below the sync and the intake that write there. `explaining` tells
how one account is, and stands above them; `worst` which accounts of the installation are worst off.
"""
