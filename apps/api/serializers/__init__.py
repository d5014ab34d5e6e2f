"""What goes in and out as JSON, one file per noun. Must not write to the database: views call services."""
