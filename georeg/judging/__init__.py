"""What can be known of a result without its truth; `georeg.verdict` decides by it."""
