import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * One open change stream: a position in the change log, what of it is in scope, and the pipeline that its events pass.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/changeStreams/">Change Streams</a>
 * @see <a href="https://www.mongodb.com/docs/manual/reference/change-events/">Change Events</a>
 */
final class ChangeStream {

    private static final int PAGE = 1000;
    private static final int MAX_BATCH_BYTES = 16 * 1024 * 1024;

    /** What one aggregate or getMore answers: BSON documents, and the token to come back with. */
    record Batch(List<byte[]> events, ResumeToken token, boolean open) {
    }

    private final ChangeLog log;
    private final String database;
    private final String collection;
    private final Pipeline pipeline;
    private final String fullDocument;
    private final String fullDocumentBeforeChange;
    /** Finds a document as it is now by namespace and document key: null once it is deleted. */
    private final Function<ChangeLog.Change, Document> lookup;

    private long position;
    private ResumeToken token;
    private ChangeLog.Entry pendingInvalidate;
    private boolean startNotFound;
    private volatile boolean open = true;

    /**
     * Opens a stream.
     *
     * @param database   null for the whole deployment
     * @param collection null for a whole database
     * @param options    of {@code $changeStream}
     * @throws MongoServerError as a server refuses: bad option or token, 260 resuming after an invalidate,
     *                          286 history lost
     */
    ChangeStream(ChangeLog log, String database, String collection, Document options, Pipeline pipeline,
                 Function<ChangeLog.Change, Document> lookup) {
        this.log = log;
        this.database = database;
        this.collection = collection;
        this.pipeline = pipeline;
        this.lookup = lookup;
        Fields.check("$changeStream", options);
        fullDocument = option(options, "fullDocument", List.of("default", "updateLookup", "whenAvailable", "required"));
        fullDocumentBeforeChange = option(options, "fullDocumentBeforeChange",
            List.of("off", "whenAvailable", "required"));
        start(options);
    }

    private static String option(Document options, String name, List<String> allowed) {
        Object value = options.getOrDefault(name, allowed.get(0));
        ErrorCodes.require(value instanceof String, 14,
            "BSON field '$changeStream." + name + "' is the wrong type, expected type 'string'");
        ErrorCodes.require(allowed.contains(value), 2,
            "Enumeration value '" + value + "' for field '$changeStream." + name + "' is not a valid value.");
        return (String) value;
    }

    private void start(Document options) {
        Object after = options.getOrDefault("resumeAfter", options.get("startAfter"));
        Object time = options.get("startAtOperationTime");
        ErrorCodes.require(Stream.of("resumeAfter", "startAfter", "startAtOperationTime").filter(options::containsKey)
            .count() <= 1, 40674, "Only one type of resume option is allowed, but multiple were found.");
        token = after != null ? ResumeToken.parse(after)
            : time instanceof BsonTimestamp timestamp ? ResumeToken.mark(timestamp.getValue())
            : ResumeToken.mark(log.lastTime() + 1);
        ErrorCodes.require(!log.isLost(token.time()), 286,
            "Resume of change stream was not possible, as the resume point may no longer be in the oplog.");
        if (token.kind() == ResumeToken.Kind.MARK) {
            position = token.time() - 1;
            return;
        }
        ErrorCodes.require(token.kind() != ResumeToken.Kind.INVALIDATE || !options.containsKey("resumeAfter"), 260,
            "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.");
        // That it is of another collection or deployment is noticed only with the next event: so does a server.
        ChangeLog.Entry entry = log.at(token.time());
        startNotFound = entry == null || !inScope(entry.change());
        position = Math.max(Math.min(token.time(), log.lastTime()), log.oldestTime() - 1);
        if (!startNotFound && token.kind() == ResumeToken.Kind.EVENT && invalidates(entry.change())) {
            pendingInvalidate = entry;
        }
    }

    /** Ends the stream, and a getMore that waits on it. */
    void close() {
        open = false;
        log.wake();
    }

    /**
     * The next events, waiting for the first one at most so long.
     *
     * @param count the most events to give
     * @throws MongoServerError 136 overrun by the log, 280 start not found or {@code _id} changed, 10334 too large
     */
    synchronized Batch next(int count, long waitMillis) throws InterruptedException {
        long end = System.nanoTime() + waitMillis * 1_000_000;
        // A long way through changes that the filter drops must not outlast the client's read time-out.
        long latest = System.nanoTime() + Math.max(waitMillis, 1000) * 1_000_000;
        List<byte[]> events = new ArrayList<>();
        fill(events, count, latest);
        for (long left = waitMillis; events.isEmpty() && open && left > 0;
             left = (end - System.nanoTime()) / 1_000_000) {
            log.await(position, left);
            fill(events, count, latest);
        }
        return new Batch(events, token, open);
    }

    private void fill(List<byte[]> events, int count, long latest) {
        try {
            read(events, count, latest);
        } catch (MongoServerError error) {
            if (events.isEmpty()) {
                throw error;
            }
            // What came before the error goes out first; the next call meets it again.
        }
    }

    private void read(List<byte[]> events, int count, long latest) {
        int bytes = 0;
        while (open && events.size() < count && System.nanoTime() < latest) {
            if (pendingInvalidate != null) {
                emit(invalidate(pendingInvalidate), null, pendingInvalidate, ResumeToken.Kind.INVALIDATE, events,
                    MAX_BATCH_BYTES);
                token = new ResumeToken(pendingInvalidate.time(), ResumeToken.Kind.INVALIDATE); // also of a hidden one
                open = false;
                return;
            }
            List<ChangeLog.Entry> page = log.after(position, PAGE);
            for (ChangeLog.Entry entry : page) {
                if (events.size() == count) {
                    return;
                }
                if (inScope(entry.change())) {
                    ErrorCodes.require(!startNotFound, 280, "cannot resume stream; the resume token was not found.");
                    ChangeLog.Event shared = entry.event();
                    int size = emit(event(entry.change(), shared.document), shared, entry, ResumeToken.Kind.EVENT,
                        events, MAX_BATCH_BYTES - bytes);
                    if (size < 0) {
                        return;
                    }
                    bytes += size;
                }
                position = entry.time();
                if (invalidates(entry.change())) {
                    pendingInvalidate = entry;
                    break;
                }
            }
            if (page.isEmpty()) {
                break;
            }
        }
        // What the filter dropped is behind us as well; a mark stands before the events of its time.
        if (pendingInvalidate == null && open && position > token.time() && !startNotFound) {
            token = ResumeToken.mark(position);
        }
    }

    /** Adds the event where the pipeline lets it through; its size, or -1 when it belongs to the next batch. */
    private int emit(Document event, ChangeLog.Event shared, ChangeLog.Entry entry, ResumeToken.Kind kind,
                     List<byte[]> events, int room) {
        Document id = (Document) event.get("_id");
        Document result = pipeline.apply(event);
        if (result == null) {
            return 0;
        }
        ErrorCodes.require(id.equals(result.get("_id")), 280, "Encountered an event whose _id field, which contains "
            + "the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible "
            + "to resume the stream from that point.");
        byte[] bytes = shared != null && result == shared.document ? shared.bytes() : Bson.write(result);
        if (bytes.length > MAX_BATCH_BYTES) {
            throw ErrorCodes.error(10334, "BSONObj size: " + bytes.length
                + " is invalid. Size must be between 0 and 16793600(16MB)");
        }
        if (bytes.length > room && !events.isEmpty()) {
            return -1;
        }
        events.add(bytes);
        token = new ResumeToken(entry.time(), kind);
        return bytes.length;
    }

    private boolean inScope(ChangeLog.Change change) {
        if (database == null) {
            return true;
        }
        boolean sameDatabase = database.equals(change.database());
        if (collection == null) {
            return sameDatabase || change.to() != null && database.equals(change.to().get(0));
        }
        return sameDatabase && collection.equals(change.collection())
            || List.of(database, collection).equals(change.to());
    }

    /** A collection's stream ends with the collection, a database's with the database, a deployment's never. */
    private boolean invalidates(ChangeLog.Change change) {
        return inScope(change) && switch (change.type()) {
            case "drop", "rename" -> collection != null;
            case "dropDatabase" -> database != null && collection == null;
            default -> false;
        };
    }

    private static Document invalidate(ChangeLog.Entry entry) {
        return ChangeLog.Entry.frame(entry.time(), entry.wallTime(), ResumeToken.Kind.INVALIDATE, "invalidate");
    }

    /** The event that all streams share, or where this one asks for images, a copy with them. */
    private Document event(ChangeLog.Change change, Document shared) {
        boolean update = change.type().equals("update");
        boolean after = update && !fullDocument.equals("default");
        boolean before = !fullDocumentBeforeChange.equals("off")
            && (update || Set.of("replace", "delete").contains(change.type()));
        if (!after && !before) {
            return shared;
        }
        Document event = new Document();
        for (var field : shared.entrySet()) {
            if (after && field.getKey().equals("ns")) {
                event.put("fullDocument", fullDocument.equals("updateLookup") ? lookup.apply(change)
                    : image(change, change.after(), fullDocument, "post-image"));
            }
            event.put(field.getKey(), field.getValue());
        }
        if (before) {
            event.put("fullDocumentBeforeChange",
                image(change, change.before(), fullDocumentBeforeChange, "pre-image"));
        }
        return event;
    }

    private static Document image(ChangeLog.Change change, byte[] image, String mode, String name) {
        if (image == null && mode.equals("required")) {
            throw ErrorCodes.error(47, "Change stream was configured to require a " + name
                + " for all update, delete and replace events, but the " + name + " was not found for event: "
                + change.type() + " in " + change.database() + "." + change.collection());
        }
        return image == null ? null : Bson.read(image);
    }
}
