"""What stands in for the services outside, with their rules: a code forge like GitHub, an archive like the PRR.

They are the embedded default: a platform publishes to them until it is told where the real ones are.
"""
