// Gives out the files of a folder over HTTP, on a free port that it prints: node serve.mjs FOLDER
import fs from 'node:fs'
import http from 'node:http'

const server = http.createServer((request, reply) => {
  fs.readFile(process.argv[2] + request.url, (missing, text) => reply.writeHead(missing ? 404 : 200).end(text))
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
