"""The routes: each parses, calls one function of `scheduler/actions/`, and renders."""
