"""One page in which trained generators run in the browser."""
