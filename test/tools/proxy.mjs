// Stands before a server of MongoDB's on this machine, under another port: node proxy.mjs PORT SERVER'S_PORT
// Where the server names itself, it names the proxy: who kills the proxy kills the server, for all clients.
import net from 'node:net'

const [port, behind] = process.argv.slice(2)
const renamed = data => // both ports have five digits
  Buffer.from(data.toString('latin1').replaceAll(`127.0.0.1:${behind}`, `127.0.0.1:${port}`), 'latin1')
net.createServer(client => {
  const server = net.connect(behind, '127.0.0.1')
  client.pipe(server)
  server.on('data', data => client.write(renamed(data)))
  for (const [one, other] of [[client, server], [server, client]])
    one.on('error', () => other.destroy()).on('close', () => other.destroy())
}).listen(port, '127.0.0.1')
