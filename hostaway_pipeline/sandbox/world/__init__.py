"""The look-alike's data: accounts, the objects in them, and how both change."""
