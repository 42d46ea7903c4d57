"""Play what a record heard again, under the policy that it had or under another."""
