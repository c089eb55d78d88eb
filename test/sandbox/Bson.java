import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.BsonConstants;
import de.bwaldvogel.mongo.wire.bson.BsonDecoder;
import io.netty.buffer.*;

import java.util.*;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Reads BSON documents; their values are read by the library. What it does not do: documents share the names of their
 * fields, which saves a quarter of the memory of many that are alike, and a length is held against what is there before
 * memory is taken for it.
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

    /** Reads a document that {@link Wire#encode(Document)} wrote. */
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
}
