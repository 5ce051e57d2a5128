"""Container images without root and without a registry: layers, layout, delivery."""
