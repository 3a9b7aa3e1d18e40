"""The Ray Serve application: router and experts behind an OpenAI-compatible API."""
