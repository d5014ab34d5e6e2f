"""Real phones and a carrier's gateway that call each other through the product."""
