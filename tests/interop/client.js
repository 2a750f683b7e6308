// Tests the echo server with Node's `ws`: client.js URL SERVER
//
// SERVER describes the server's compression settings in JSON; see `run`. Prints the failed cases,
// then "N passed, N failed".

'use strict';

const assert = require('assert');
const WebSocket = require('ws');

const [url, server] = [process.argv[2], JSON.parse(process.argv[3])];
const MEBIBYTE = 1 << 20;

/** A seeded random number generator, so that every run sends the same data. */
function random(seed) {
  let state = (seed * 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function text(length, seed = 1) {
  const words = ['message ', 'window ', 'context ', 'taken ', 'over ', 'or ', 'not ', '€ '];
  const next = random(seed);
  let out = '';
  while (out.length < length) out += words[next() % words.length];
  return out.slice(0, length);
}

function noise(length, seed = 1) {
  const next = random(seed);
  return Buffer.from(Array.from({ length }, () => next() >>> 8));
}

const texts = (large) =>
  [0, 1, 63, 64, 125, 126, 1000, 65535, 65536, 0, 100000].map((length) => text(length))
    .concat(large ? [text(MEBIBYTE), text(MEBIBYTE)] : []);

const binaries = (large) =>
  [0, 1, 64, 126, 5000, 70000].map((length) => noise(length)).concat(large ? [noise(MEBIBYTE), noise(MEBIBYTE)] : []);

/** Opens a connection with a method `next` that waits for a message. */
async function open(protocols, options) {
  const socket = new WebSocket(url, protocols, { maxPayload: 0, ...options });
  socket.on('upgrade', (response) => { socket.answer = response.headers['sec-websocket-extensions'] || ''; });
  const queue = [];
  let wake = () => {};
  socket.on('message', (data, isBinary) => { queue.push(isBinary ? data : data.toString()); wake(); });
  socket.next = async () => {
    while (queue.length === 0) {
      assert.strictEqual(socket.readyState, WebSocket.OPEN, `closed by ${socket.closedBy}`);
      await new Promise((resolve) => { wake = resolve; });
    }
    return queue.shift();
  };
  socket.on('close', (code, reason) => { socket.closedBy = `${code} ${reason}`; wake(); });
  await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject); });
  socket.on('error', () => {});
  return socket;
}

async function close(socket) {
  socket.close(1000);
  if (socket.readyState !== WebSocket.CLOSED) await new Promise((resolve) => socket.once('close', resolve));
  assert.match(socket.closedBy, /^1000 /);
}

const isSame = (a, b) => typeof a === typeof b && (typeof a === 'string' ? a === b : a.equals(b));
const wire = (socket) => [socket._socket.bytesWritten, socket._socket.bytesRead];

async function echo(socket, messages) {
  for (const message of messages) {
    socket.send(message);
    const answer = await socket.next();
    assert(isSame(answer, message), `sent ${message.length}, received ${answer.length}`);
  }
}

/** Echoes the messages and checks that both directions are compressed. */
async function echoCompressed(socket, messages) {
  const before = wire(socket);
  await echo(socket, messages);
  const total = messages.reduce((sum, message) => sum + Buffer.byteLength(message), 0);
  wire(socket).forEach((bytes, way) => {
    assert(bytes - before[way] < total / 2, `${bytes - before[way]} bytes ${way ? 'received' : 'sent'} for ${total}`);
  });
}

/**
 * Checks context takeover with a message that hardly compresses: a repetition is much smaller only
 * if the context is kept.
 */
async function takesContextOver(socket, keeps) {
  const message = noise(2000, 7).toString('hex');
  const at = [wire(socket)];
  for (let i = 0; i < 2; i++) {
    await echo(socket, [message]);
    at.push(wire(socket));
  }
  keeps.forEach((isKept, way) => {
    const [first, second] = [at[1][way] - at[0][way], at[2][way] - at[1][way]];
    assert.strictEqual(second < first / 4, isKept, `${way ? 'received' : 'sent'} ${first}, then ${second}`);
  });
}

/** Parses the parameters of the response (RFC 7692 §7.1). */
function agreed(answer) {
  const parts = answer.split(';').map((part) => part.trim());
  const bits = (name) => Number((parts.find((part) => part.startsWith(`${name}=`)) || '=15').split('=')[1]);
  assert.strictEqual(parts[0], 'permessage-deflate');
  return {
    snct: parts.includes('server_no_context_takeover'),
    cnct: parts.includes('client_no_context_takeover'),
    smwb: bits('server_max_window_bits'),
    cmwb: bits('client_max_window_bits'),
  };
}

async function deflate(client, large) {
  const socket = await open([], {
    perMessageDeflate: {
      threshold: 0,
      serverNoContextTakeover: client.snct,
      clientNoContextTakeover: client.cnct,
      serverMaxWindowBits: client.smwb,
      clientMaxWindowBits: client.cmwb,
    },
  });
  const is = agreed(socket.answer);
  assert.deepStrictEqual(is, {
    snct: server.nct || Boolean(client.snct),
    cnct: server.rnct || Boolean(client.cnct),
    smwb: Math.min(server.mwb, client.smwb || 15),
    cmwb: Math.min(server.rmwb, client.cmwb || 15),
  });
  await echoCompressed(socket, texts(large));
  await echo(socket, binaries(large));
  if (Math.min(is.smwb, is.cmwb) >= 13) await takesContextOver(socket, [!is.cnct, !is.snct]);
  await close(socket);
}

/** Sends many messages without waiting for the echoes. */
async function many(count) {
  const messages = Array.from({ length: count }, (_, i) => {
    const message = JSON.stringify({ id: i, text: text(i % 300, i) });
    return i % 2 ? message : Buffer.from(message);
  });
  const socket = await open([], { perMessageDeflate: { threshold: 0 } });
  messages.forEach((message) => socket.send(message));
  for (const [i, message] of messages.entries()) assert(isSame(await socket.next(), message), `message ${i}`);
  const total = messages.reduce((sum, message) => sum + Buffer.byteLength(message), 0);
  const [sent, received] = wire(socket);
  assert(sent < 0.7 * total, `${sent} bytes sent for ${total}`);
  assert(received < 0.7 * total, `${received} bytes received for ${total}`);
  await close(socket);
}

async function plain(offered, agreed) {
  const socket = await open(offered, { perMessageDeflate: true });
  assert.strictEqual(socket.answer, '');
  assert.strictEqual(socket.extensions, '');
  assert.strictEqual(socket.protocol, agreed);
  await echo(socket, texts(true).concat(binaries(true)));
  await close(socket);
}

function cases() {
  if (!server.deflate) {
    // `ws` fails the connection if the server selects none of its subprotocols.
    return [[[], ''], [['chat'], 'chat'], [['v1', 'superchat', 'chat'], 'chat']]
      .map(([offered, agreed]) => [`plain, offering ${offered}`, () => plain(offered, agreed)]);
  }
  const takeover = [{}, { cnct: true }, { snct: true }, { cnct: true, snct: true }];
  const windows = server.all ? [8, 9, 10, 11, 12, 13, 14, 15].map((cmwb) => ({ cmwb, smwb: Math.min(24 - cmwb, 15) })) : [];
  const all = [
    ...takeover.map((client) => [client, server.all]),
    ...windows.map((client) => [client, false]),
  ].map(([client, large]) => [`deflate ${JSON.stringify(client)}`, () => deflate(client, large)]);
  if (server.many) all.push(['10,000 messages', () => many(10000)]);
  return all;
}

async function main() {
  let [passed, failed] = [0, 0];
  for (const [name, run] of cases()) {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('timed out after 30 s')), 30000); });
    try {
      await Promise.race([run(), late]);
      passed++;
    } catch (error) {
      failed++;
      console.log(`FAILED ws: ${name}: ${String(error.message).slice(0, 300)}`);
    } finally {
      clearTimeout(timer);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(0);
}

main();
