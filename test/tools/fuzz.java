///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:bson:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bson.RawBsonDocument;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

/**
 * Throws messages at a server that are none: random bytes, cut, bent and oversized ones, each over a connection of its
 * own. After each hundred the server must still answer: it opens a change stream, whose connection is dropped as well.
 * {@code jbang fuzz.java PORT COUNT SEED}
 */
class fuzz {

    public static void main(String... args) throws IOException {
        int port = Integer.parseInt(args[0]), count = Integer.parseInt(args[1]), answered = 0;
        Random random = new Random(Long.parseLong(args[2]));
        byte[] lies = message(1, "{insert: 'x', $db: 'fuzz', documents: [{a: {}}]}");
        lies[lies.length - 8]++;  // the length of the innermost document: what is kept of it could not be read again
        if (!answer(port, lies).isEmpty()) throw new IOException("a document that ends too early was answered");
        for (int i = 1; i <= count; i++) {
            try (Socket socket = new Socket("127.0.0.1", port)) {
                socket.getOutputStream().write(bad(random));
            } catch (IOException alreadyClosed) {
                // That is what the server should do with such a client.
            }
            if (i % 100 > 0) continue;
            String reply = answer(port, message(1,
                    "{aggregate: 'x', pipeline: [{$changeStream: {}}], cursor: {}, $db: 'fuzz'}"));
            if (!reply.contains("postBatchResumeToken")) throw new IOException("no change stream but: " + reply);
            answered++;
        }
        System.out.println(count + " bad messages, " + answered + " change streams opened in between");
    }

    /** Empty when the server ends the connection instead. */
    static String answer(int port, byte[] message) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(message);
            InputStream in = socket.getInputStream();
            byte[] length = in.readNBytes(4);
            return length.length < 4 ? "" : new String(in.readNBytes(buffer(length).getInt() - 4), ISO_8859_1);
        }
    }

    static byte[] bad(Random random) {
        byte[] message = message(random.nextInt(), "{ping: 1, $db: 'admin'}");
        switch (random.nextInt(6)) {
            case 0 -> random.nextBytes(message = new byte[random.nextInt(200)]);
            case 1 -> message = Arrays.copyOf(message, random.nextInt(message.length));
            case 2 -> message[random.nextInt(message.length)] ^= (byte) (1 << random.nextInt(8));
            case 3 -> buffer(message).putInt(List.of(-1, 0, 15, 16, 47_999_999, 48_000_001, Integer.MAX_VALUE)
                    .get(random.nextInt(7)));
            case 4 -> buffer(message).putInt(12, random.nextInt(3000));
            default -> buffer(message).putInt(21, random.nextInt());
        }
        return message;
    }

    /** An OP_MSG. */
    static byte[] message(int requestId, String json) {
        RawBsonDocument body = RawBsonDocument.parse(json);
        int length = 21 + body.getByteBuffer().remaining();
        ByteBuffer message = buffer(new byte[length]).putInt(length).putInt(requestId).putInt(0).putInt(2013).putInt(0);
        return message.put((byte) 0).put(body.getByteBuffer().asNIO()).array();
    }

    static ByteBuffer buffer(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
