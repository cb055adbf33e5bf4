"""What runs on KVM hosts (scripts/), and the reading of what it says."""
