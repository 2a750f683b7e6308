// An echo server made with Node's `ws`: server.js [options]
//
// The path of a request selects the server's behaviour; see README.md. Prints the port it listens
// on, then a line of JSON for each WebSocket that has ended.

'use strict';

const fs = require('fs');
const http = require('http');
const https = require('https');
const { parseArgs } = require('util');
const { WebSocketServer } = require('ws');

const { values: options } = parseArgs({
  options: {
    deflate: { type: 'boolean' },
    'no-context-takeover': { type: 'boolean' }, // for both sides
    'window-bits': { type: 'string' }, // for both sides
    protocols: { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
    tls: { type: 'string' }, // this version only
  },
});
const bits = options['window-bits'] && Number(options['window-bits']);
const protocols = (options.protocols || '').split(',');
const credentials = `Basic ${Buffer.from('Aladdin:öpen sesame').toString('base64')}`;

function verifyClient({ req }, answer) {
  const refuse = (code, headers) => answer(false, code, 'no WebSocket here\n', headers);
  const { pathname } = new URL(req.url, 'http://localhost');
  if (pathname === '/private' && req.headers.authorization !== credentials) {
    refuse(401, { 'WWW-Authenticate': 'Basic realm="echo", charset="UTF-8"' });
  } else if (pathname === '/moved') {
    refuse(302, { Location: 'wss://moved.example/there' });
  } else if (pathname === '/busy') {
    refuse(503, { 'Retry-After': '10' });
  } else if (pathname === '/token' && req.headers['x-token'] !== 'sesame') {
    refuse(403, { 'X-Wants': 'X-Token' });
  } else {
    answer(true);
  }
}

function echo(socket, data, binary, { pathname, searchParams }) {
  switch (pathname) {
    case '/ping':
      socket.once('pong', () => socket.send(data, { binary }));
      socket.ping();
      break;
    case '/fragments':
      // Splits text within characters.
      for (let at = 0; at < data.length; at += 1000) {
        socket.send(data.subarray(at, at + 1000), { binary, fin: at + 1000 >= data.length });
      }
      break;
    case '/close':
      socket.close(Number(searchParams.get('code')), searchParams.get('reason') || '');
      break;
    case '/abort':
      socket.terminate();
      break;
    case '/another':
      socket.send(Buffer.concat([data, data]), { binary });
      break;
    default:
      socket.send(data, { binary });
  }
}

function handle(socket, request) {
  const url = new URL(request.url, 'http://localhost');
  const wire = request.socket;
  const before = [wire.bytesRead, wire.bytesWritten];
  let [messages, size] = [0, 0];
  socket.on('message', (data, binary) => {
    messages++;
    size += data.length;
    echo(socket, data, binary, url);
  });
  socket.on('error', () => {});
  socket.on('close', (code) => {
    console.log(JSON.stringify({
      path: request.url,
      headers: request.headersDistinct,
      messages,
      size,
      received: wire.bytesRead - before[0],
      sent: wire.bytesWritten - before[1],
      code,
    }));
  });
}

const server = options.cert
  ? https.createServer({
    cert: fs.readFileSync(options.cert),
    key: fs.readFileSync(options.key),
    ...(options.tls && { minVersion: `TLSv${options.tls}`, maxVersion: `TLSv${options.tls}` }),
  })
  : http.createServer();

new WebSocketServer({
  server,
  verifyClient,
  maxPayload: 0,
  handleProtocols: (offered) => protocols.find((name) => offered.has(name)) || false,
  perMessageDeflate: options.deflate && {
    threshold: 0,
    serverNoContextTakeover: options['no-context-takeover'],
    clientNoContextTakeover: options['no-context-takeover'],
    serverMaxWindowBits: bits,
    clientMaxWindowBits: bits,
  },
}).on('connection', handle);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
