"""Real telephones call each other, and a carrier calls one, through the real server over UDP. All of it: ./run interop."""
