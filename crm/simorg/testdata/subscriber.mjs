// Subscribes by salesforce-pubsub-api-client and prints what it hears, a line of JSON each. It ends with its input.
import fs from 'fs';
import { createRequire } from 'module';
import { pathToFileURL } from 'url';

const [modules, ca, endpoint, token, instance, org, topic, replay, count] = process.argv.slice(2);

// The client trusts a list of CAs that it carries, and takes no other. It shall trust this one.
const read = fs.readFileSync;
fs.readFileSync = (path, ...rest) => read(String(path).includes('cacert') ? ca : path, ...rest);

const require = createRequire(modules + '/x.js');
const { default: PubSubApiClient } = await import(pathToFileURL(require.resolve('salesforce-pubsub-api-client').replace(/\.cjs$/, '.js')));
const say = (kind, data) =>
    process.stdout.write(JSON.stringify({ kind, data }, (_, v) => (typeof v === 'bigint' ? v.toString() : v)) + '\n');
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

const client = new PubSubApiClient(
    { authType: 'user-supplied', accessToken: token, instanceUrl: instance, organizationId: org, pubSubEndpoint: endpoint },
    quiet
);
await client.connect();
const hear = (_, kind, data) => {
    if (kind === 'error') data = { code: data.code, details: data.details, errorCode: data.metadata?.get('error-code')?.[0] ?? String(data.cause ?? data) };
    say(kind, data);
};
const want = count ? Number(count) : null;
if (replay === 'earliest') client.subscribeFromEarliestEvent(topic, hear, want);
else if (replay) client.subscribeFromReplayId(topic, hear, want, Number(replay));
else client.subscribe(topic, hear, want);
process.stdin.on('data', () => {}).on('end', () => {
    client.close();
    process.exit(0);
});
