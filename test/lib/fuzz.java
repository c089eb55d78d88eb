///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;

/**
 * Throws messages at a server that are none: random bytes, cut, bent and oversized ones, each over a connection of its
 * own. After each hundred the server must still answer: it opens a change stream, whose connection is dropped as well.
 * {@code jbang fuzz.java PORT COUNT SEED}
 */
class fuzz {

    public static void main(String... args) throws IOException {
        int port = Integer.parseInt(args[0]);
        int count = Integer.parseInt(args[1]);
        Random random = new Random(Long.parseLong(args[2]));
        insertOneThatEndsTooEarly(port);
        int answered = 0;
        for (int i = 1; i <= count; i++) {
            try (Socket socket = new Socket("127.0.0.1", port)) {
                socket.getOutputStream().write(bad(random));
            } catch (IOException alreadyClosed) {
                // That is what the server should do with such a client.
            }
            if (i % 100 == 0) {
                openStream(port);
                answered++;
            }
        }
        System.out.println(count + " bad messages, " + answered + " change streams opened in between");
    }

    private static void openStream(int port) throws IOException {
        String reply = answer(port, message(1, document("\2aggregate\0" + string("x")
            + "\4pipeline\0" + document("\0030\0" + document("\3$changeStream\0" + document("")))
            + "\3cursor\0" + document("") + "\2$db\0" + string("fuzz"))));
        if (!reply.contains("postBatchResumeToken")) {
            throw new IOException("no change stream but: " + reply);
        }
    }

    /** What is kept of such a document could not be read again. */
    private static void insertOneThatEndsTooEarly(int port) throws IOException {
        String lies = length(document("").length() + 1) + "\0";
        String reply = answer(port, message(1, document("\2insert\0" + string("x") + "\2$db\0" + string("fuzz")
            + "\4documents\0" + document("\0030\0" + document("\3a\0" + lies)))));
        if (!reply.isEmpty()) {
            throw new IOException("a document that ends before its length was answered: " + reply);
        }
    }

    /** Empty when the server ends the connection instead. */
    private static String answer(int port, byte[] message) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(message);
            InputStream in = socket.getInputStream();
            byte[] length = in.readNBytes(4);
            return length.length < 4 ? "" : new String(in.readNBytes(ByteBuffer.wrap(length)
                .order(ByteOrder.LITTLE_ENDIAN).getInt() - 4), StandardCharsets.ISO_8859_1);
        }
    }

    private static byte[] bad(Random random) {
        byte[] message = message(random.nextInt(), document("\20ping\0\1\0\0\0\2$db\0" + string("admin")));
        switch (random.nextInt(6)) {
            case 0 -> random.nextBytes(message = new byte[random.nextInt(200)]);
            case 1 -> message = Arrays.copyOf(message, random.nextInt(message.length));
            case 2 -> message[random.nextInt(message.length)] ^= (byte) (1 << random.nextInt(8));
            case 3 -> put(message, 0, new int[] {-1, 0, 15, 16, 47_999_999, 48_000_001, Integer.MAX_VALUE}[random.nextInt(7)]);
            case 4 -> put(message, 12, random.nextInt(3000));
            default -> put(message, 21, random.nextInt());
        }
        return message;
    }

    private static void put(byte[] message, int at, int value) {
        ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
    }

    /** An OP_MSG. */
    private static byte[] message(int requestId, String document) {
        byte[] body = document.getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer message = ByteBuffer.allocate(21 + body.length).order(ByteOrder.LITTLE_ENDIAN);
        return message.putInt(21 + body.length).putInt(requestId).putInt(0).putInt(2013).putInt(0).put((byte) 0).put(body).array();
    }

    /** A BSON document of these elements. */
    private static String document(String elements) {
        return length(elements.length() + 5) + elements + "\0";
    }

    private static String string(String text) {
        return length(text.length() + 1) + text + "\0";
    }

    private static String length(int value) {
        return "" + (char) (value & 255) + (char) (value >> 8) + "\0\0";
    }
}
