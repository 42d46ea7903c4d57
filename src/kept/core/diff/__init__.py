"""What changed between two versions of a brand, in words, and whether it worsens anything."""
