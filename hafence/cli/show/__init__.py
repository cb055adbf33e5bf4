"""What people and programs are shown: steps as they happen, results, the history, documents in JSON."""
