"""The portfolio report: one HTML page that needs nothing else, and a small picture. Figures come from the marts."""
