# Spillway's image. docs/decisions/0005-image.md has the reasons and the measurements.
# One image for both stages: the code cache is only taken by the very Node that made it. A release pins it by digest:
#   docker build --build-arg NODE=node:26-slim@sha256:... .
ARG NODE=node:26-slim

FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY build.ts tsconfig.json ./
COPY src ./src
RUN npm run build
# Starts the sidecar once and stops it: its compiled code goes into dist/cache, and an image that cannot start is not built.
# With 5 s an emulated build has time, too. The files are for every user, because a cluster may choose another UID than ours.
# There is no Redis here: its client is loaded, and the start goes on without it.
COPY deploy/compose/spillway.yaml ./
RUN PROVIDER_KEY=none REDIS_URL=redis://127.0.0.1:1 NODE_COMPILE_CACHE=dist/cache NODE_COMPILE_CACHE_PORTABLE=1 \
      timeout --preserve-status -k 5 -s TERM 5 node dist/main.js serve --config spillway.yaml --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
    && test -n "$(ls dist/cache)" && chmod -R a+rX dist

FROM ${NODE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spillway" \
      org.opencontainers.image.description="The sidecar that keeps an app's LLM traffic flowing: shared budgets, diversion, streaming." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing is installed in a running sidecar, and these are most of what scanners report.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* /opt/yarn*
WORKDIR /app
COPY --from=build /app/dist ./dist
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=1 \
    NODE_COMPILE_CACHE=/app/dist/cache \
    NODE_COMPILE_CACHE_PORTABLE=1 \
    SPILLWAY_CONFIG=/etc/spillway/spillway.yaml
# Numeric, as runAsNonRoot asks. Of nobody else: apps are 1000 or 65532, meshes 1337 or 2102, and rules by UID must tell us apart.
USER 14000:14000
EXPOSE 4000 4001
# Node is PID 1 and gets it itself: main.ts has a handler, without which the kernel would drop it. No child needs reaping.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes ignores it and probes /livez, /readyz and /startedz on 4001. Compose has its own.
ENTRYPOINT ["node", "--max-semi-space-size=4", "/app/dist/main.js"]
CMD ["serve"]
