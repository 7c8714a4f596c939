"""One request of ours: asked, then followed through every signal it leaves, and shown."""
