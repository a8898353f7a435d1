"""The deciding parts of the client, one file each."""
