"""The `zooter` command, one file per subcommand."""
