"""Which device to ring, for whoever asks. Must not change who may register, or who is where."""
