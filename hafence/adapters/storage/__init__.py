"""Storage fences: how a cluster's storage is asked, and told to refuse a host."""
