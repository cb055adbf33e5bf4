"""The workflows: which effect follows which. They decide nothing themselves and touch nothing themselves."""
