// An OpenID Connect provider for one machine: demo people, no passwords, never beyond the loopback address.
// Started by oidc_provider.py with its settings as one line of JSON on stdin; ends when stdin closes.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// Node 20 lacks what the provider expects of 22.
Promise.withResolvers ??= function withResolvers() {
  let resolve;
  let reject;
  const promise = new this((yes, no) => { resolve = yes; reject = no; });
  return { promise, resolve, reject };
};
URL.parse ??= (url, base) => { try { return new URL(url, base); } catch { return null; } };
Set.prototype.union ??= function union(other) { return new Set([...this, ...other]); };
Set.prototype.difference ??= function difference(other) { return new Set([...this].filter((each) => !other.has(each))); };
Set.prototype.intersection ??= function intersection(other) {
  return new Set([...this].filter((each) => other.has(each)));
};
Set.prototype.isSubsetOf ??= function isSubsetOf(other) { return [...this].every((each) => other.has(each)); };

const RESOURCE = 'urn:terrafair:platform';
const SCOPES = 'openid profile email offline_access';
const DAY = 86400;

const escaped = (text) => String(text).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>${escaped(title)}</title>
<style>body{font:1.1rem system-ui;max-width:30rem;margin:10vh auto;padding:0 1rem}button,input{font:inherit;padding:.5rem 1rem;margin:.3rem 0;display:block}</style>
<h1>${escaped(title)}</h1>${body}</html>`;

async function keys(jose) {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  return { keys: [{ ...await jose.exportJWK(privateKey), kid: randomBytes(8).toString('hex'), alg: 'RS256', use: 'sig' }] };
}

function configuration(settings, jwks) {
  const people = new Map(settings.people.map((person) => [person.id, person]));
  const claims = (id) => {
    const { name, email } = people.get(id);
    return { sub: id, name, email, email_verified: false };
  };
  return {
    jwks,
    clients: settings.clients,
    cookies: { keys: [randomBytes(32).toString('hex')] },
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    pkce: { required: (ctx, client) => client.tokenEndpointAuthMethod === 'none' },
    findAccount: (ctx, id) => (people.has(id) ? { accountId: id, claims: () => claims(id) } : undefined),
    // openEO clients send access tokens, and the platform wants to greet people by their names.
    extraTokenClaims: (ctx, token) => (people.has(token.accountId) ? { name: people.get(token.accountId).name } : {}),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    // What a person's own program asks for at their own machine needs no further question.
    loadExistingGrant: (ctx) => granted(ctx),
    issueRefreshToken: async (ctx, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    ttl: {
      AccessToken: settings.seconds ?? 3600, DeviceCode: 600, AuthorizationCode: 60, IdToken: 3600,
      RefreshToken: DAY, Session: DAY, Interaction: 600, Grant: DAY,
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form, out, error) => {
          const hint = error ? '<p>That code is not known, or its time is over.</p>' : '';
          ctx.body = page('Sign in on a device', `${hint}${form}
            <input form="op.deviceInputForm" name="user_code" placeholder="Code" autofocus required>
            <button form="op.deviceInputForm">Continue</button>`);
        },
        userCodeConfirmSource: (ctx, form, client, device, code) => {
          ctx.body = page('Is this your code?', `<p><b>${escaped(code)}</b></p>${form}
            <button form="op.deviceConfirmForm">Yes, continue</button>`);
        },
        successSource: (ctx) => { ctx.body = page('Signed in', '<p>You may close this page.</p>'); },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource, client) => ({
          scope: SCOPES, audience: client.clientId, accessTokenFormat: 'jwt', accessTokenTTL: settings.seconds ?? 3600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  };
}

async function granted(ctx) {
  const { client, session, provider } = ctx.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(SCOPES);
  grant.addResourceScope(RESOURCE, SCOPES);
  await grant.save();
  return grant;
}

async function form(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 10_000) throw new Error('too long');
  }
  return new URLSearchParams(text);
}

function handler(provider, settings) {
  const serve = provider.callback();
  return async (request, response) => {
    if (!request.url.startsWith('/interaction/')) {
      serve(request, response);
      return;
    }
    try {
      const { prompt } = await provider.interactionDetails(request, response);
      if (prompt.name === 'login' && request.method === 'POST') {
        const person = (await form(request)).get('person');
        if (settings.people.some((each) => each.id === person)) {
          const result = { login: { accountId: person, remember: false }, consent: {} };
          await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
          return;
        }
      }
      if (prompt.name !== 'login') {
        await provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
        return;
      }
      const buttons = settings.people
        .map((each) => `<button name="person" value="${escaped(each.id)}">${escaped(each.name)}</button>`).join('');
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
      response.end(page('Who are you?', `<form method="post">${buttons}</form>`));
    } catch {
      response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' });
      response.end(page('This sign-in has ended', '<p>Start again where you came from.</p>'));
    }
  };
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const settings = JSON.parse((await lines.next()).value);
const load = (path) => import(pathToFileURL(`${settings.modules}/${path}`));
const { Provider } = await load('oidc-provider/lib/index.js');
const jose = await load('jose/dist/webapi/index.js');
const server = createServer();
// Clients poll a device's code every 5 s, and Node closes idle connections after 5 s: the request would meet the close.
server.keepAliveTimeout = 65_000;
server.listen(settings.port, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const jwks = settings.keys ?? await keys(jose);
  const provider = new Provider(issuer, configuration(settings, jwks));
  provider.on('server_error', (ctx, error) => console.error(error));
  server.on('request', handler(provider, settings));
  console.log(JSON.stringify({ issuer, keys: jwks }));
});
// The parent holds the other end: without it nobody could end us.
await lines.next();
process.exit(0);
