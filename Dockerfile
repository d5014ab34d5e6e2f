# The product's processes, one image: docker-compose.yml says which command each container runs.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    REGISTRAR_DATA_DIR=/var/lib/registrar

RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/registrar --create-home registrar

WORKDIR /app

# Wheels only: no compiler is needed, and none is there.
COPY pyproject.toml requirements.lock README.md ./
RUN pip install --no-cache-dir --only-binary=:all: --constraint requirements.lock ".[redis]"

COPY manage.py ./
COPY registrar_admin ./registrar_admin
COPY apps ./apps
COPY templates ./templates
COPY static ./static

USER registrar
RUN python manage.py collectstatic --no-input --verbosity 0 && mkdir -m 700 /var/lib/registrar/calls

EXPOSE 8000/tcp 5060/udp 5060/tcp 5061/tcp
CMD ["python", "manage.py", "up"]
