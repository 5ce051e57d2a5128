"""The official validator's rules: what it accepts is accepted here, what it rejects is rejected, with a clear message.

Behaviour was taken from its releases (`versions.RULE_SETS`), quirks included: where a fault makes it crash or skip the
rest, the verdict stands, and the rest is checked all the same.
"""
