import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';

const LIMIT = 60_000;
const lines = [];
const changed = new EventTarget();

function print(line) {
  lines.push(line);
  console.log(line);
  changed.dispatchEvent(new Event('line'));
}

async function printed(line) {
  while (!lines.includes(line)) await once(changed, 'line');
}

async function chat(port) {
  const server = spawn(process.env.CHAT, ['--addr', `127.0.0.1:${port}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await once(server.stdout, 'data');
  return { server, port: new URL(String(output).split('\n')[0]).port };
}

async function say(port, ...texts) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat/guide?since=`);
  let left = texts.length;
  const done = new Promise(resolve => {
    socket.onmessage = ({ data }) => {
      const { type, text } = JSON.parse(data);
      // Each is published once it returns.
      if (type === 'said' && texts.includes(text) && --left === 0) resolve();
    };
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'name', name: 'Ann' }));
  for (const text of texts) socket.send(JSON.stringify({ type: 'say', text }));
  await done;
  socket.close();
}

setTimeout(() => { console.log('too late'); process.exit(1); }, LIMIT).unref();
let { server, port } = await chat(0);
process.on('exit', () => server.kill('SIGKILL'));

// Forwards connections, until they are cut.
const connections = new Set();
let isOpen = true;
const proxy = net.createServer(client => {
  const target = net.connect(port, '127.0.0.1');
  const end = () => { client.destroy(); target.destroy(); };
  for (const socket of [client, target]) socket.on('error', end).on('close', end);
  if (!isOpen) return end();
  client.pipe(target).pipe(client);
  connections.add(end);
});
proxy.listen(0, '127.0.0.1');
await once(proxy, 'listening');

follow(`ws://127.0.0.1:${proxy.address().port}/chat/guide`, {
  handle: ({ text }) => print(text),
  reload: () => print('lost'),
});
await say(port, 'one');
await printed('one');

isOpen = false;
for (const end of connections) end();
print('cut');
await say(port, 'two', 'three');
isOpen = true;
await printed('three');
await say(port, 'four');
await printed('four');

print('restart');
server.kill('SIGKILL');
await once(server, 'exit');
({ server } = await chat(port));
await printed('lost');
await say(port, 'five');
await printed('five');
print('end');
process.exit(0);
