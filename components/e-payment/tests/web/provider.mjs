// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

// An OpenID provider for tests: node provider.mjs PORT REDIRECT_URI SECRET
// Every password is accepted. Accounts and clients whose names start with kasse have the role kasse.
import Provider from "oidc-provider";

const [port, redirectUri, secret] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const groups = (name) => (name.startsWith("kasse") ? ["verwaltung", "kasse"] : ["verwaltung"]);

const client = (id, more) => ({ client_id: id, client_secret: secret, ...more });
const program = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };

const provider = new Provider(issuer, {
  clients: [
    client("e-payment", { grant_types: ["authorization_code"], redirect_uris: [redirectUri], response_types: ["code"] }),
    client("kasse-software", program),
    client("other-software", program),
  ],
  claims: { openid: ["sub"], profile: ["name"], email: ["email"], groups: ["groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: [secret] },
  extraTokenClaims: (ctx, token) => ({ groups: groups(token.clientId) }),
  features: {
    clientCredentials: { enabled: true },
    // Access tokens are JWTs (RFC 9068) whose audience is the requested resource.
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({
        audience: resource.replace("urn:", ""),
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
        scope: "",
      }),
    },
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `Kim ${id}`, email: `${id}@town.example`, groups: groups(id) }),
  }),
  pkce: { methods: ["S256"], required: () => true },
});
provider.listen(Number(port), "127.0.0.1");
