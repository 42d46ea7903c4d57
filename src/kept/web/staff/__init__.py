"""How people who work with Kept sign in and out: pages, passwords, and the identity provider."""
