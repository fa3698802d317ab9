"""All that depends on the platform, each with its fallback in the same place."""
