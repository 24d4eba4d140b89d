"""Tables of what can be plugged in; they import no torch."""
