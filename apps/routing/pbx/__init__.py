"""Database views in the shapes that Asterisk, Kamailio and OpenSIPS read, and the roles that may read them."""
