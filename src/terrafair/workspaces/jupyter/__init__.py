"""What JupyterHub loads of us, in its own process: who is asking, where servers run, which routes there are."""
