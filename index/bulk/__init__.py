"""Many documents at once: sources, reading, cutting, parcels."""
