"""The webserver: Dagster's UI and our pages, protected against requests of other web pages."""
