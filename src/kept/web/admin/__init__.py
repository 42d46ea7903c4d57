"""What operators do: each change is made on the writer, kept in the audit, and then answered."""
