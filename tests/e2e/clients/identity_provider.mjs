// A real, certified identity provider (oidc-provider) for one client, with the login page that it
// comes with. Whoever is named `NAME+GROUP+GROUP` is in these groups. Says its issuer and serves
// until its standard input ends.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const plan = JSON.parse(process.argv[2]);
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: plan.client_id,
        client_secret: plan.client_secret,
        redirect_uris: [plan.redirect_uri],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    jwks: { keys: [{ ...key.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" }] },
    cookies: { keys: ["for tests only"] },
    claims: { openid: ["sub"], email: ["email"], groups: ["groups"] },
    scopes: ["openid", "email", "groups"],
    pkce: { required: () => true },
    conformIdTokenClaims: plan.conforms,
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => {
        const [name, ...groups] = id.split("+");
        return { sub: id, email: `${name}@harbour.example`, groups };
      },
    }),
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});
process.stdin.on("end", () => process.exit(0)).resume();
