// Loaded before the command, or before an app of yours: `node --require ./tracing.cjs …`.
// OpenTelemetry's own variables say where spans go, such as OTEL_EXPORTER_OTLP_ENDPOINT.
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { NodeSDK } = require('@opentelemetry/sdk-node');

/** Probes and scrapes of the admin server are no client's. */
const IGNORED = ['/healthz', '/readyz', '/metrics'];

/** The parameters of a query that a span may show: a sid is a credential, and an app's own parameters may be. */
const SHOWN = ['EIO', 'transport'];

function shownQuery(url) {
  const params = new URLSearchParams(url.split('?')[1]);
  return new URLSearchParams([...params].filter(([name]) => SHOWN.includes(name))).toString();
}

const sdk = new NodeSDK({
  serviceName: process.env.OTEL_SERVICE_NAME ?? 'socket.io-proxy',
  instrumentations: [
    new HttpInstrumentation({
      ignoreIncomingRequestHook: ({ url = '' }) => IGNORED.includes(url),
      startIncomingSpanHook: ({ url = '' }) => ({ 'url.query': shownQuery(url) }),
    }),
  ],
});
sdk.start();

// For an app that calls `sdk.shutdown()` after `close()` of the proxy: then no span is lost.
module.exports = { sdk };
