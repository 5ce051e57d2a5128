"""The same image as a Containerfile, for those who build with buildah or Docker and have a registry at hand."""

from terrafair.development.manifest import Manifest


def text(manifest: Manifest, minor: str) -> str:
    """What `buildah build` takes, with the repository as its context."""
    return "\n".join(
        [
            f"# {manifest.title} {manifest.version}. The packages are those of the lock, checked by their hashes.",
            f"FROM docker.io/library/python:{minor}-slim",
            "ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 VIRTUAL_ENV=/opt/environment",
            "ENV PATH=/opt/environment/bin:/usr/local/bin:/usr/bin:/bin",
            f"COPY {manifest.lock or 'requirements.lock'} /opt/requirements.lock",
            "RUN python -m venv /opt/environment && /opt/environment/bin/python -m pip install --no-cache-dir \\",
            "    --no-deps --require-hashes --only-binary :all: -r /opt/requirements.lock",
            f"COPY {manifest.modules}/ /opt/environment/lib/python{minor}/site-packages/",
            f'LABEL org.opencontainers.image.title="{manifest.name}"',
            f'LABEL org.opencontainers.image.version="{manifest.version}"',
            f'LABEL org.opencontainers.image.licenses="{manifest.license}"',
            "",
        ]
    )
