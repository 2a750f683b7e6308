// Tests the GraphQL server with the clients `graphql-ws`, `subscriptions-transport-ws` and `ws`:
// client.js PROGRAM
//
// Starts the server. The last line is "N passed, N failed".

'use strict';

const assert = require('assert');
const { spawn } = require('child_process');
const { once } = require('events');
const readline = require('readline');
const { setTimeout: sleep } = require('timers/promises');
const { createClient } = require('graphql-ws');
const { SubscriptionClient } = require('subscriptions-transport-ws');
const WebSocket = require('ws');

const numbers = (to) => Array.from({ length: to }, (_, index) => index + 1);

async function until(condition, what) {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return;
    await sleep(25);
  }
  throw new Error(`did not happen: ${what}`);
}

// Runs the cases against the server at `url`. `closes` has the code and the reason of each close
// frame that the server has received.
const cases = (url, closes) => {
  // A client of graphql-ws, which fails the case if the connection is lost.
  const client = (options = {}) => createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, ...options });

  const query = async (api, text, variables) => {
    for await (const result of api.iterate({ query: text, variables })) return result.data;
  };

  const collect = async (api, text) => {
    const values = [];
    for await (const result of api.iterate({ query: text })) values.push(result);
    return values;
  };

  // A client of `ws`, with everything it has received.
  const raw = async (protocol) => {
    const socket = new WebSocket(url, protocol);
    const received = [];
    socket.on('message', (data) => received.push(JSON.parse(data)));
    const closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: reason.toString() }));
    await once(socket, 'open');
    return { socket, received, closed, send: (message) => socket.send(JSON.stringify(message)) };
  };

  // A client of subscriptions-transport-ws, with the results of a subscription.
  const legacy = (options) => new SubscriptionClient(url, { reconnect: false, ...options }, WebSocket);
  const values = (api, text) =>
    new Promise((resolve, reject) => {
      const results = [];
      api.request({ query: text }).subscribe({
        next: (result) => results.push(result),
        error: reject,
        complete: () => resolve(results),
      });
    });

  return {
    async 'query is answered, and the socket closes with 1000'() {
      const api = client({ connectionParams: { name: 'Ada' } });
      assert.deepEqual(await query(api, '{ user echo(text: "höla") }'), { user: 'Ada', echo: 'höla' });
      const before = closes.length;
      await api.dispose();
      await until(() => closes.length > before, 'a close frame');
      assert.deepEqual(closes[before], '1000 Normal Closure');
    },

    async 'text of 3 MB arrives unchanged'() {
      const text = 'äöü€😀 '.repeat(180000);
      const api = client();
      const data = await query(api, 'query ($text: String!) { echo(text: $text) }', { text });
      assert.ok(data.echo === text);
      await api.dispose();
    },

    async 'subscription completes after its last value'() {
      const api = client();
      const results = await collect(api, 'subscription { count(to: 500, everyMs: 0) }');
      assert.deepEqual(results.map(({ data }) => data.count), numbers(500));
      await api.dispose();
    },

    async 'concurrent subscriptions share a connection'() {
      let opened = 0;
      const api = client({ on: { opened: () => (opened += 1) } });
      const results = await Promise.all(
        numbers(20).map((to) => collect(api, `subscription { count(to: ${to}, everyMs: 5) }`)),
      );
      results.forEach((values, index) => {
        assert.deepEqual(values.map(({ data }) => data.count), numbers(index + 1));
      });
      assert.equal(opened, 1);
      await api.dispose();
    },

    async 'client that completes a subscription stops it'() {
      const api = client({ lazyCloseTimeout: 10000 });
      const active = async () => (await query(api, '{ active }')).active;
      const iterator = api.iterate({ query: 'subscription { count(to: 1000000, everyMs: 5) }' });
      assert.equal((await iterator.next()).value.data.count, 1);
      assert.equal(await active(), 1);
      await iterator.return();
      await until(async () => (await active()) === 0, 'the end of the subscription');
      await api.dispose();
    },

    async 'client that is killed stops its subscriptions'() {
      const api = client();
      const peer = await raw('graphql-transport-ws');
      peer.send({ type: 'connection_init' });
      const payload = { query: 'subscription { count(to: 1000000, everyMs: 5) }' };
      peer.send({ type: 'subscribe', id: 'one', payload });
      peer.send({ type: 'subscribe', id: 'two', payload });
      await until(async () => (await query(api, '{ active }')).active === 2, 'two subscriptions');
      peer.socket.terminate();
      await until(async () => (await query(api, '{ active }')).active === 0, 'the end of the subscriptions');
      await api.dispose();
    },

    async 'errors are received in order'() {
      const api = client();
      const [value, error] = await collect(api, 'subscription { failing }');
      assert.equal(value.data.failing, 1);
      assert.equal(error.errors[0].message, 'out of numbers');
      const [invalid] = await collect(api, 'subscription { missing }');
      assert.match(invalid.errors[0].message, /missing/);
      await api.dispose();
    },

    async 'pings keep a connection open, and silence closes it with 3008'() {
      const messages = [];
      const api = client({ lazy: false, keepAlive: 200, on: { message: ({ type }) => messages.push(type) } });
      await until(() => messages.filter((type) => type === 'pong').length >= 8, 'eight pongs');
      await api.dispose();
      const silent = await raw('graphql-transport-ws');
      assert.deepEqual(await silent.closed, { code: 3008, reason: 'timeout' });
    },

    async 'ping and pong are answered with their payload'() {
      const peer = await raw('graphql-transport-ws');
      peer.send({ type: 'connection_init', payload: {} });
      peer.send({ type: 'ping', payload: { n: 1 } });
      peer.send({ type: 'pong' });
      await until(() => peer.received.length === 2, 'two answers');
      assert.deepEqual(peer.received.map(({ type }) => type), ['connection_ack', 'pong']);
      peer.socket.close(4321, 'bye');
      // The server echoes the code.
      assert.deepEqual(await peer.closed, { code: 4321, reason: '' });
      await until(() => closes.includes('4321 bye'), 'the close frame');
    },

    async 'refused payload closes with 4403'() {
      const api = client({ connectionParams: { token: 'wrong' } });
      const closed = await collect(api, '{ active }').catch((event) => event);
      assert.equal(closed.code, 4403);
      assert.equal(closed.reason, 'Forbidden');
    },

    async 'violations close with their codes'() {
      for (const [messages, code] of [
        [['{'], 1002],
        [['{"type":"nonsense"}'], 1002],
        [['{"type":"subscribe","id":"1","payload":{"query":"{ active }"}}'], 1011],
        [['{"type":"connection_init"}', '{"type":"connection_init"}'], 4429],
      ]) {
        const peer = await raw('graphql-transport-ws');
        messages.forEach((message) => peer.socket.send(message));
        assert.equal((await peer.closed).code, code, messages.join());
      }
    },

    async 'unknown subprotocol is refused'() {
      for (const protocol of [[], ['graphql'], ['graphql', 'superchat']]) {
        const socket = new WebSocket(url, protocol);
        const [, response] = await once(socket, 'unexpected-response');
        assert.equal(response.statusCode, 400);
        response.destroy();
      }
    },

    async 'newer protocol is preferred'() {
      const peer = await raw(['graphql-ws', 'graphql-transport-ws']);
      assert.equal(peer.socket.protocol, 'graphql-transport-ws');
      peer.socket.close();
      assert.equal((await peer.closed).code, 1005);
    },

    async 'legacy subscriptions share a connection'() {
      const api = legacy({ connectionParams: { name: 'Ada' } });
      const results = await Promise.all(
        numbers(10).map((to) => values(api, `subscription { count(to: ${to}, everyMs: 5) }`)),
      );
      results.forEach((values, index) => {
        assert.deepEqual(values.map(({ data }) => data.count), numbers(index + 1));
      });
      const [user] = await values(api, '{ user }');
      assert.equal(user.data.user, 'Ada');
      // Sends connection_terminate, at which the server ends the connection.
      const closed = new Promise((resolve) => api.onDisconnected(resolve));
      api.close();
      await closed;
    },

    async 'legacy subscription is stopped by unsubscribing'() {
      const api = legacy({});
      const other = client();
      const active = async () => (await query(other, '{ active }')).active;
      const first = new Promise((resolve, reject) => {
        const subscription = api
          .request({ query: 'subscription { count(to: 1000000, everyMs: 5) }' })
          .subscribe({ next: () => resolve(subscription), error: reject });
      });
      const subscription = await first;
      assert.equal(await active(), 1);
      subscription.unsubscribe();
      await until(async () => (await active()) === 0, 'the end of the subscription');
      api.close();
      await other.dispose();
    },

    async 'legacy refusal is connection_error'() {
      const peer = await raw('graphql-ws');
      peer.send({ type: 'connection_init', payload: { token: 'wrong' } });
      assert.equal((await peer.closed).code, 1005);
      assert.deepEqual(peer.received, [{ type: 'connection_error', payload: { message: 'Forbidden' } }]);
    },
  };
};

async function main() {
  const server = spawn(process.argv[2], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: server.stdout });
  const [port] = await once(lines, 'line');
  const closes = [];
  lines.on('line', (line) => closes.push(line.replace('closed ', '')));
  const results = { passed: 0, failed: 0 };
  for (const [name, run] of Object.entries(cases(`ws://127.0.0.1:${port}/`, closes))) {
    const late = sleep(30000, undefined, { ref: false }).then(() => Promise.reject(new Error('timed out')));
    try {
      await Promise.race([run(), late]);
      results.passed += 1;
    } catch (error) {
      console.log(`FAILED ${name}: ${error.stack || error}`);
      results.failed += 1;
    }
  }
  server.kill();
  console.log(`${results.passed} passed, ${results.failed} failed`);
  process.exit(results.failed === 0 ? 0 : 1);
}

main();
