"""The Ray Serve application: a router, the experts, and an OpenAI-compatible ingress that puts them together."""
