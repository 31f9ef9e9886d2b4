// npm's oidc-provider as an authorization server with introspection and revocation, on free ports of
// 127.0.0.1: HTTP, and HTTPS if there is a certificate. Told what it is by a line of JSON on standard
// input, says where it listens on standard output, and ends when standard input does.
//
// A token for the resource …/jwt is a JWT, any other is opaque.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// Where it is installed is no folder above this one, so its name alone would not find it.
const installed = pathToFileURL(`${process.env.NODE_MODULES}/oidc-provider/lib/index.js`);
const { Provider } = await import(installed.href);

const lines = createInterface({ input: process.stdin });
lines.once('line', async (line) => {
  const { issuer, clients, tls } = JSON.parse(line);
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...key.export({ format: 'jwk' }), kid: 'test', use: 'sig' }] },
    clients: clients.map(({ id, secret, method }) => ({
      client_id: id,
      client_secret: secret,
      token_endpoint_auth_method: method,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    })),
    scopes: ['api:read', 'api:write', 'other'],
    ttl: { ClientCredentials: 600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: 'api:read api:write other',
          audience: resource,
          accessTokenFormat: resource.endsWith('/jwt') ? 'jwt' : 'opaque',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  const listen = (server) => new Promise((done) => {
    server.listen(0, '127.0.0.1', () => done(server.address().port));
  });
  const ports = { http: await listen(http.createServer(provider.callback())) };
  if (tls) ports.https = await listen(https.createServer(tls, provider.callback()));
  console.log(JSON.stringify(ports));
});
lines.once('close', () => process.exit());
