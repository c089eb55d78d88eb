import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.BsonConstants;
import de.bwaldvogel.mongo.wire.bson.*;
import io.netty.buffer.*;

import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Reads and writes BSON documents; their values are the library's to read and write. What that does not do: documents
 * share the names of their fields, which saves a quarter of the memory of many that are alike, and a length is held
 * against what is there before memory is taken for it.
 *
 * @see <a href="https://bsonspec.org/spec.html">BSON specification</a>
 */
final class Bson {

    /** A document, and the bytes of it, or null. */
    record Sent(Document document, byte[] bytes) {
    }

    private static final int MAX_NAMES = 10_000;
    private static final Map<String, String> NAMES = new ConcurrentHashMap<>();

    private Bson() {
    }

    /** Reads a document that {@link #write(Document)} wrote. */
    static Document read(byte[] document) {
        return read(Unpooled.wrappedBuffer(document));
    }

    /**
     * Reads a document from where the buffer stands to the document's end.
     *
     * @throws RuntimeException of several kinds where it is none
     */
    static Document read(ByteBuf in) {
        Document document = new Document();
        int end = in.readerIndex() + checkLength(in);
        in.skipBytes(4);
        for (byte type = in.readByte(); type != 0; type = in.readByte()) {
            String name = BsonDecoder.decodeCString(in);
            document.put(shared(name), value(type, in));
        }
        if (in.readerIndex() != end) {
            throw new IllegalArgumentException("a document that does not end where it says");
        }
        return document;
    }

    /** As {@link #read(ByteBuf)}, and keeps the bytes. */
    static Sent readSent(ByteBuf in) {
        int start = in.readerIndex();
        Document document = read(in);
        return new Sent(document, ByteBufUtil.getBytes(in, start, in.readerIndex() - start));
    }

    private static int checkLength(ByteBuf in) {
        int length = in.getIntLE(in.readerIndex());
        if (length < 0 || length > in.readableBytes()) {
            throw new IllegalArgumentException(length + " bytes, and only " + in.readableBytes() + " are left");
        }
        return length;
    }

    private static Object value(byte type, ByteBuf in) {
        return switch (type) {
            case BsonConstants.TYPE_EMBEDDED_DOCUMENT -> read(in);
            case BsonConstants.TYPE_ARRAY -> new ArrayList<>(read(in).values()); // its names are 0, 1, 2 ...
            case BsonConstants.TYPE_UTF8_STRING, BsonConstants.TYPE_DATA, BsonConstants.TYPE_JAVASCRIPT_CODE -> {
                checkLength(in);
                yield BsonDecoder.decodeValue(type, in);
            }
            default -> BsonDecoder.decodeValue(type, in);
        };
    }

    private static String shared(String name) {
        String known = NAMES.get(name);
        if (known == null && NAMES.size() < MAX_NAMES) {
            known = NAMES.putIfAbsent(name, name);
        }
        return known == null ? name : known;
    }

    /** Writes a document. */
    static byte[] write(Document document) {
        ByteBuf buffer = Unpooled.buffer();
        BsonEncoder.encodeDocument(document, buffer);
        return ByteBufUtil.getBytes(buffer);
    }

    /** A reply with a cursor whose batch is encoded already, so that each stream's events are encoded once. */
    static byte[] write(String batchName, List<byte[]> batch, Document cursor, Document reply) {
        ByteBuf out = Unpooled.buffer();
        document(out, () -> {
            name(out, 3, "cursor");
            document(out, () -> {
                name(out, 4, batchName);
                document(out, () -> {
                    for (int i = 0; i < batch.size(); i++) {
                        name(out, 3, Integer.toString(i));
                        out.writeBytes(batch.get(i));
                    }
                });
                fields(out, cursor);
            });
            fields(out, reply);
        });
        return ByteBufUtil.getBytes(out);
    }

    private static void document(ByteBuf out, Runnable content) {
        int start = out.writerIndex();
        out.writeIntLE(0);
        content.run();
        out.writeByte(0);
        out.setIntLE(start, out.writerIndex() - start);
    }

    private static void name(ByteBuf out, int type, String name) {
        out.writeByte(type).writeBytes(name.getBytes(StandardCharsets.UTF_8)).writeByte(0);
    }

    private static void fields(ByteBuf out, Document document) {
        byte[] encoded = write(document);
        out.writeBytes(encoded, 4, encoded.length - 5);
    }
}
