import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.bson.*;
import io.netty.buffer.*;

import java.io.*;
import java.net.*;
import java.nio.*;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The wire protocol: a thread for each connection, one answer for each message.
 * A message that cannot be read ends its connection, and only that.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/">MongoDB Wire Protocol</a>
 */
final class Wire implements AutoCloseable {

    static final int MAX_MESSAGE_BYTES = 48_000_000;
    private static final int HEADER_BYTES = 16;
    private static final int OP_REPLY = 1;
    private static final int OP_QUERY = 2004;
    private static final int OP_MSG = 2013;
    private static final int CHECKSUM_PRESENT = 1;
    private static final int MORE_TO_COME = 2;

    private final ServerSocket server;
    private final Commands commands;
    private final Set<Socket> connections = ConcurrentHashMap.newKeySet();

    /**
     * Takes the port, on loopback only, and answers from now on.
     *
     * @param port 0 for any free one
     * @throws IOException when the port is taken
     */
    Wire(int port, Commands commands) throws IOException {
        this.commands = commands;
        server = new ServerSocket();
        server.setReuseAddress(true);
        server.bind(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 1000);
        Thread acceptor = new Thread(this::accept, "accept");
        acceptor.start();
    }

    int port() {
        return server.getLocalPort();
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (Socket connection : connections) {
            connection.close();
        }
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket socket = server.accept();
                connections.add(socket);
                Thread thread = new Thread(() -> serve(socket), "connection " + socket.getPort());
                thread.setDaemon(true);
                thread.start();
            } catch (IOException e) {
                // Closed, or the client was gone before we looked.
            }
        }
    }

    private void serve(Socket socket) {
        Connection connection = new Connection(socket);
        commands.opened();
        try (socket) {
            socket.setTcpNoDelay(true);
            DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
            OutputStream out = socket.getOutputStream();
            while (true) {
                ByteBuffer header = ByteBuffer.wrap(in.readNBytes(HEADER_BYTES)).order(ByteOrder.LITTLE_ENDIAN);
                int length = header.getInt();
                if (length < HEADER_BYTES || length > MAX_MESSAGE_BYTES) {
                    return;
                }
                int requestId = header.getInt();
                header.getInt();
                int opCode = header.getInt();
                byte[] body = in.readNBytes(length - HEADER_BYTES);
                if (body.length < length - HEADER_BYTES) {
                    return;
                }
                byte[] reply = answer(connection, opCode, requestId, Unpooled.wrappedBuffer(body));
                if (reply != null) {
                    out.write(reply);
                }
            }
        } catch (IOException | RuntimeException | StackOverflowError | InterruptedException unreadable) {
            // The client went away, or what it sent is no message: the connection ends.
        } finally {
            connections.remove(socket);
            commands.closed(connection);
        }
    }

    private byte[] answer(Connection connection, int opCode, int requestId, ByteBuf body)
        throws IOException, InterruptedException {
        int flags = body.readIntLE();
        ByteBuf reply = Unpooled.buffer();
        reply.writeZero(HEADER_BYTES);
        if (opCode == OP_MSG) {
            byte[] document = commands.answer(connection, readMessage(flags, body));
            if ((flags & MORE_TO_COME) != 0) {
                return null;
            }
            reply.writeIntLE(0).writeByte(0).writeBytes(document);
        } else if (opCode == OP_QUERY) {
            // Only the first hello of a driver still comes this way.
            String namespace = BsonDecoder.decodeCString(body);
            body.skipBytes(8);
            Document command = Bson.read(body);
            command.put("$db", namespace.substring(0, Math.max(0, namespace.indexOf('.'))));
            byte[] document = commands.answer(connection, command);
            reply.writeIntLE(8).writeLongLE(0).writeIntLE(0).writeIntLE(1).writeBytes(document);
        } else {
            throw new IOException("unknown operation " + opCode);
        }
        int length = reply.writerIndex();
        reply.setIntLE(0, length).setIntLE(8, requestId).setIntLE(12, opCode == OP_MSG ? OP_MSG : OP_REPLY);
        return ByteBufUtil.getBytes(reply);
    }

    private static Document readMessage(int flags, ByteBuf body) throws IOException {
        int end = body.writerIndex() - ((flags & CHECKSUM_PRESENT) != 0 ? 4 : 0);
        Document command = null;
        Document sequences = new Document();
        while (body.readerIndex() < end) {
            int kind = body.readByte();
            if (kind == 0 && command == null) {
                command = Bson.read(body);
            } else if (kind == 1) {
                int sequenceEnd = body.readerIndex() + body.getIntLE(body.readerIndex());
                body.skipBytes(4);
                String name = BsonDecoder.decodeCString(body);
                List<Object> documents = new ArrayList<>();
                while (body.readerIndex() < sequenceEnd) {
                    documents.add(name.equals("documents") ? Bson.readSent(body) : Bson.read(body));
                }
                sequences.put(name, documents);
            } else {
                throw new IOException("unknown section " + kind);
            }
        }
        if (command == null || command.isEmpty()) {
            throw new EOFException("no command");
        }
        command.putAll(sequences);
        return command;
    }
}
