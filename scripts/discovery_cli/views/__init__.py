"""How answers look to people: modules and functions named like those of `verbs`, parts to print each.

A view takes the whole `Answer`. Nothing here asks the ledger.
"""
