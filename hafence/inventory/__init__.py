"""The inventory: from what people write in YAML and domain XML to checked values, every fault with its place."""
