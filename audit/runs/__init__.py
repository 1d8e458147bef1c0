"""Runs: one act on more people than one transaction should hold. Drafted from a frozen selection,
previewed whole, confirmed, and then worked off chunk by chunk by whichever worker holds the lease.

* ``drafting``: making a run: from a selection, from an act to undo, from what an act refused
* ``steering``: what people do with it: confirm, pause, resume, cancel
* ``asking``, ``approving``: two people for what one should not do alone
* ``starting``: from the preview to the act
* ``seeing``, ``listing``: who sees which runs, and the list of them
* ``working``: what workers do with it: claim, step, set aside
* ``targets``: the frozen ids
* ``deeds``: what is done to a batch: in a preview, in an act, in an undo
"""
