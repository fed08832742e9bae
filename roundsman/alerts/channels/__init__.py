"""The channels, a file each. `roundsman.app.channels` has the table of them and builds those that are set up."""
