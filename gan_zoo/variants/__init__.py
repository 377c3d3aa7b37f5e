"""One paper a file; every module in this folder is found and registered by itself."""
