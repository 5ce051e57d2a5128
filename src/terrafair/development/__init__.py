"""From an idea to a released workflow: templates, checks, builds, images, releases."""
