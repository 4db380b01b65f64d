"""The pages of the dashboard in a browser that people use: Chromium, driven over its DevTools protocol."""
