import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.HexFormat;
import java.util.regex.*;

/**
 * The resume token of one event, or of the point between two events that a {@code postBatchResumeToken} names.
 * Written as a server writes it: an upper-case hex string whose order is the order of the events.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/changeStreams/#resume-tokens">Resume tokens</a>
 */
record ResumeToken(long time, Kind kind) {

    /** In the order in which tokens of one cluster time sort. */
    enum Kind {
        /** A high-water mark: before all events of its time. */
        MARK("29296E04"),
        EVENT("2C0100296E04"),
        /** The invalidate that follows a drop, a rename or a dropDatabase at the same time. */
        INVALIDATE("2C0100296F04");

        private final String ending;

        Kind(String ending) {
            this.ending = ending;
        }
    }

    private static final HexFormat HEX = HexFormat.of().withUpperCase();
    /** Time, then the kind; a real server's token has the collection and the document key before the end. */
    private static final Pattern FORM = Pattern.compile("82([0-9A-F]{16})2B02(29|2C0100)29([0-9A-F]*)04");

    static ResumeToken mark(long time) {
        return new ResumeToken(time, Kind.MARK);
    }

    /**
     * Reads what a client gave as {@code resumeAfter} or {@code startAfter}.
     *
     * @throws MongoServerError with the codes of a server: 40647 no string in {@code _data}, 9 no hex,
     *                          15 cut short, 50811 not a token
     */
    static ResumeToken parse(Object token) {
        if (!(token instanceof Document document) || !(document.get("_data") instanceof String data)) {
            throw ErrorCodes.error(40647, "Bad resume token: _data of missing or of wrong type");
        }
        String hex = data.toUpperCase();
        ErrorCodes.require(hex.matches("([0-9A-F]{2})*"), 9, "resume token string was not a valid hex string");
        Matcher matcher = FORM.matcher(hex);
        if (matcher.matches()) {
            Kind kind = matcher.group(2).equals("29") ? Kind.MARK
                : matcher.group(3).startsWith("6F") ? Kind.INVALIDATE : Kind.EVENT;
            return new ResumeToken(Long.parseUnsignedLong(matcher.group(1), 16), kind);
        }
        ErrorCodes.require(!hex.isEmpty() && !hex.startsWith("82"), 15, "resume token ends too early");
        throw ErrorCodes.error(50811, "Bad resume token: unknown type of value");
    }

    BsonTimestamp clusterTime() {
        return new BsonTimestamp(time);
    }

    Document toDocument() {
        return new Document("_data", "82" + HEX.toHexDigits(time) + "2B02" + kind.ending);
    }
}
