"""Events in Splunk: the same questions as of a log file, asked as searches."""
