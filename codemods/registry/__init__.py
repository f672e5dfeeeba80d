"""The Distribution registry over HTTP: catalogue, tags, manifests, blobs, and what is wrong with them."""
